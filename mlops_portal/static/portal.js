/* Keys, quiet polling, focus and messages. The pages work without this file. */
(() => {
  "use strict";

  const TOAST_MS = 6000;
  const TIMEOUT_MS = 10000;
  const SEQUENCE_MS = 1200;
  const $ = (selector, root = document) => root.querySelector(selector);
  const isShown = (element) => element.getClientRects().length > 0;
  const shown = (selector) => [...document.querySelectorAll(selector)].find(isShown);

  /* Keys: off inside fields, with a modifier, and where the person has turned them off. */

  const ROWS = "main tbody tr, main .todo > li";
  let awaitsPlace = -Infinity; // when g was pressed

  function step(by) {
    const rows = [...document.querySelectorAll(ROWS)].filter((row) => isShown(row) && $("a[href]", row));
    const at = rows.findIndex((row) => row.contains(document.activeElement));
    const next = rows[at < 0 ? (by > 0 ? 0 : rows.length - 1) : at + by];
    if (next) $("a[href]", next).focus();
    return Boolean(next);
  }

  function press(element) {
    if (element) element.click();
    return Boolean(element);
  }

  function openSearch() {
    const field = $("#search");
    if (!field) return false;
    if (!isShown(field)) press($("[popovertarget=nav]"));
    field.focus();
    return true;
  }

  function showKeys() {
    const dialog = $("#keys");
    if (dialog && !dialog.open) dialog.showModal();
    return Boolean(dialog);
  }

  const ACTIONS = {
    "/": openSearch,
    "?": showKeys,
    j: () => step(1),
    k: () => step(-1),
    "[": () => press(shown("a[rel=prev]")),
    "]": () => press(shown("a[rel=next]")),
    t: () => press(shown("details[data-values] > summary")),
  };

  function act(key, at) {
    if (at - awaitsPlace < SEQUENCE_MS) {
      awaitsPlace = -Infinity;
      return press($(`[data-go="${CSS.escape(key)}"]`));
    }
    if (key === "g") {
      awaitsPlace = at;
      return true;
    }
    return (ACTIONS[key] || (() => press(shown(`[data-key="${CSS.escape(key)}"]`))))();
  }

  document.addEventListener("keydown", (event) => {
    const inField = event.target.closest?.("input, select, textarea, [contenteditable], dialog");
    if (event.key === "Escape" && inField && !event.target.closest("dialog")) event.target.blur();
    if (inField || event.ctrlKey || event.metaKey || event.altKey || event.repeat && !"jk".includes(event.key)) return;
    if (document.body.dataset.keys === "off") return;
    if (act(event.key, event.timeStamp)) event.preventDefault();
  });

  /* Messages: good news leaves by itself unless it is read; the rest stays until it is closed. */

  function watch(toast) {
    if (toast.dataset.toast !== "ok") return;
    const leave = () => (toast.matches(":hover, :focus-within") ? setTimeout(leave, TOAST_MS) : toast.remove());
    setTimeout(leave, TOAST_MS);
  }

  function say(text) {
    const toasts = $("#toasts");
    if (!toasts || [...toasts.children].some((old) => old.dataset.text === text)) return;
    const toast = document.createElement("div");
    toast.className = "toast bad";
    toast.dataset.toast = "failed";
    toast.dataset.text = text;
    toast.setAttribute("role", "alert");
    toast.append(Object.assign(document.createElement("span"), { textContent: text }));
    toast.append(Object.assign(document.createElement("button"), { className: "close", type: "button", textContent: "×" }));
    toast.lastChild.dataset.close = "";
    toast.lastChild.setAttribute("aria-label", "Close message");
    toasts.append(toast);
  }

  document.addEventListener("click", (event) => {
    event.target.closest?.("[data-close]")?.closest("[data-toast]")?.remove();
    if (event.target.closest?.('[aria-disabled="true"]')) event.preventDefault();
    const copy = event.target.closest?.("[data-copy]");
    const source = copy && $(copy.dataset.copy);
    if (source) navigator.clipboard?.writeText(source.textContent).then(() => (copy.textContent = "Copied"));
  });

  const toasts = $("#toasts");
  if (toasts) {
    toasts.querySelectorAll("[data-toast]").forEach(watch);
    new MutationObserver((changes) =>
      changes.forEach((change) => change.addedNodes.forEach((node) => node.dataset?.toast && watch(node)))
    ).observe(toasts, { childList: true });
  }

  /* htmx: no polls in hidden tabs, one answer to an absent server, focus that is not lost. */

  const isPoll = (element) => /\bevery\b/.test(element.getAttribute("hx-trigger") || "");
  let focusedIn = null;

  document.addEventListener("htmx:configRequest", (event) => {
    event.detail.timeout = TIMEOUT_MS;
  });
  document.addEventListener("htmx:beforeRequest", (event) => {
    if (document.hidden && isPoll(event.detail.elt)) event.preventDefault();
  });
  document.addEventListener("htmx:beforeSwap", (event) => {
    focusedIn = event.detail.target.contains(document.activeElement) ? event.detail.target.id : null;
  });
  document.addEventListener("htmx:afterSettle", (event) => {
    const target = event.detail.target;
    if (target.id === "messages") target.focus();
    else if (focusedIn && document.activeElement === document.body) {
      const part = document.getElementById(focusedIn);
      const heading = part && ($("h1, h2, h3", part) || part);
      heading?.setAttribute("tabindex", "-1");
      heading?.focus({ preventScroll: true });
    }
  });
  for (const name of ["htmx:sendError", "htmx:timeout"]) {
    document.addEventListener(name, (event) => {
      if (!isPoll(event.detail.elt)) say("Not sent: the portal does not answer. Your input is kept; try again.");
    });
  }
  document.addEventListener("htmx:responseError", (event) => {
    if (event.detail.xhr.status >= 500) say(`The portal failed to answer (${event.detail.xhr.status}). Your input is kept.`);
  });
})();
