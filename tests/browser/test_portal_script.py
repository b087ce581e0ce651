"""The script of the pages in a real browser: keys, messages, refusals, polls, focus."""

import shutil
from collections.abc import Iterator

import pytest
from django.conf import settings
from django.test import Client
from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-quic"]
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield opened
        opened.close()


@pytest.fixture
def page(browser, live_server, alice) -> Iterator[Page]:
    """The page of components, signed in as alice."""
    client = Client()
    client.force_login(alice)
    cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
    context = browser.new_context(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": cookie, "url": live_server.url}])
    opened = context.new_page()
    opened.goto(f"{live_server.url}/components/")
    yield opened
    context.close()


def focused(page: Page) -> str:
    return page.evaluate("document.activeElement.id || document.activeElement.textContent.trim()")


def add(page: Page, html: str, *, to: str = "h1") -> None:
    """Put an element with htmx attributes behind the heading."""
    page.evaluate(
        "([to, html]) => { document.querySelector(to).insertAdjacentHTML('afterend', html);"
        " htmx.process(document.querySelector(to).nextElementSibling) }",
        [to, html],
    )


def test_the_page_reports_nothing_to_the_console(page):
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))

    page.reload(wait_until="networkidle")

    assert said == []


def test_slash_goes_to_search_where_keys_are_text(page):
    page.keyboard.press("/")
    page.keyboard.type("gm?")

    assert page.input_value("#search") == "gm?"
    assert page.url.endswith("/components/")


def test_g_and_a_letter_go_to_a_place(page, live_server):
    page.keyboard.press("g")
    page.keyboard.press("j")

    page.wait_for_url(f"{live_server.url}/jobs/")


def test_j_and_k_move_between_rows(page):
    page.keyboard.press("j")
    assert focused(page) == "Open alert"
    page.keyboard.press("j")
    assert focused(page) == "All traffic"
    page.keyboard.press("k")
    assert focused(page) == "Open alert"


def test_t_opens_the_table_of_values(page):
    page.keyboard.press("t")

    assert page.locator("details[data-values]").get_attribute("open") is not None


def test_question_mark_lists_the_keys_until_escape(page):
    page.keyboard.press("?")
    assert page.locator("#keys").is_visible()
    page.keyboard.press("Escape")
    assert page.locator("#keys").is_hidden()


def test_single_keys_can_be_turned_off(page, live_server):
    page.context.add_cookies([{"name": "keys", "value": "off", "url": live_server.url}])
    page.reload()

    page.keyboard.press("?")

    assert page.locator("#keys").is_hidden()


def test_good_news_leaves_and_a_failure_stays_until_it_is_closed(page):
    page.clock.install()
    toast = '<div class="toast" data-toast="{0}">{0}<button data-close>x</button></div>'
    for tone in ("ok", "failed"):
        page.evaluate(
            "html => document.querySelector('#toasts').insertAdjacentHTML('beforeend', html)", toast.format(tone)
        )

    page.wait_for_timeout(50)
    page.clock.run_for(7000)

    assert page.locator("#toasts [data-toast]").count() == 1
    page.click("#toasts [data-close]")
    assert page.locator("#toasts [data-toast]").count() == 0


def test_an_answer_that_says_no_is_shown_and_focused(page):
    add(page, '<button id="gone" hx-get="/no-such-page/">x</button>')

    page.click("#gone")
    page.wait_for_selector("#messages h1")

    assert "There is nothing here" in page.inner_text("#messages")
    assert page.locator("html").count() == 1
    assert focused(page) == "messages"


def test_an_absent_server_is_told_once(page):
    add(page, '<button id="far" hx-get="/search/">x</button>')
    page.context.set_offline(True)

    page.click("#far")
    page.click("#far")
    page.wait_for_selector("#toasts [role=alert]")

    assert page.locator("#toasts [role=alert]").count() == 1


def test_polls_rest_while_the_tab_is_hidden(page):
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/search/" in request.url else None)
    page.evaluate("Object.defineProperty(document, 'hidden', {get: () => window.tabIsHidden, configurable: true})")
    page.evaluate("window.tabIsHidden = true")
    add(page, '<i hx-get="/search/" hx-trigger="every 100ms" hx-swap="none"></i>')

    page.wait_for_timeout(500)
    assert asked == []
    page.evaluate("window.tabIsHidden = false")
    page.wait_for_timeout(500)
    assert asked


def test_a_refused_button_does_nothing_when_pressed(page):
    page.locator('[aria-disabled="true"]').first.click(force=True)

    assert page.url.endswith("/components/")


@pytest.mark.parametrize("width", [320, 390, 768, 1440])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_scrolls_sideways(page, width, scheme):
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 800})

    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_menu_opens_without_script(live_server, page):
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.locator("#nav").is_hidden()

    page.click("text=Menu")

    assert page.locator("#nav").is_visible()
