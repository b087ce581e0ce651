"""Every page in a real browser, with one company that was brought in and measured for real."""

import shutil
from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings
from django.core.management import call_command
from django.test import Client
from django.urls import get_resolver
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from pytest_django.live_server_helper import LiveServer

from monitoring.models import Alert, Reference
from registry.models import RegisteredModel, User
from tests.browser.company import Company, build
from tests.factories import PASSWORD

CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine"),
]
THEMES, WIDTHS = ("light", "dark"), (320, 390, 768, 1440)
AXE_AT = {"light": 1440, "dark": 390}  # colours do not depend on the width, the layout not on the theme
AXE_RULES: dict[str, dict[str, object]] = {
    "light": {
        "type": "tag",
        "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    },
    "dark": {"type": "rule", "values": ["color-contrast", "target-size", "scrollable-region-focusable"]},
}
PALE = {"light": "#b0b0b0", "dark": "#505050"}
WATCH = "window.reports = []; document.addEventListener('securitypolicyviolation', e => reports.push(e.blockedURI))"
UNSETTLED = ".htmx-request, [hx-trigger=load]"  # parts that are still on their way
UNSEEN = {  # routes that are no page of a signed-in person
    *(
        "sign-in",
        "sign-out",
        "claim",
        "healthz",
        "readyz",
        "metrics",
        "api-schema",
        "components",
        "component-fragment",
        "progress",
    ),
    *(
        "registry:model-export",
        "registry:audit-export",
        "monitoring:run-csv",
        "registry:team-create",
        "registry:team-edit",
        "registry:team-export",
    ),
    *("registry:model-changes", "registry:source-changes"),  # parts of pages that are looked at
}


@pytest.fixture
def _django_db_helper() -> None:
    """The tables are emptied after the module, not after each test: all of them look at one company."""


@pytest.fixture(scope="module")
def company(django_db_setup, django_db_blocker) -> Iterator[Company]:
    with django_db_blocker.unblock():
        try:
            yield build()
        finally:
            call_command("flush", verbosity=0, interactive=False)


@pytest.fixture(scope="module")
def address(company) -> Iterator[str]:
    server = LiveServer("localhost")
    with server._live_server_modified_settings:
        yield server.url
        server.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-quic"]
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield opened
        opened.close()


def session_of(browser: Browser, address: str, user: User, **options: object) -> BrowserContext:
    """A browser in which the person is signed in."""
    client = Client()
    client.force_login(user)
    cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
    context = browser.new_context(reduced_motion="reduce", **options)
    context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": cookie, "url": address}])
    return context


@pytest.fixture(scope="module", params=THEMES)
def themed(request, browser, address, company) -> Iterator[tuple[str, Page]]:
    with session_of(browser, address, company.owner, color_scheme=request.param) as context:
        context.add_init_script(WATCH)
        yield request.param, context.new_page()


@pytest.fixture
def plain(browser, address, company) -> Iterator[Page]:
    """A browser without JavaScript."""
    with session_of(browser, address, company.owner, java_script_enabled=False, base_url=address) as context:
        yield context.new_page()


@pytest.fixture
def keyboard(browser, address, company) -> Iterator[Page]:
    with session_of(browser, address, company.owner, base_url=address) as context:
        yield context.new_page()


def test_every_page_that_a_person_can_open_is_looked_at(company):
    looked_at = {name.partition(",")[0] for name in company.pages} | UNSEEN

    assert _pages_of(get_resolver()) - looked_at == set()


def _pages_of(resolver: object, namespace: str = "") -> set[str]:
    """Names of the routes that answer GET with a page."""
    names: set[str] = set()
    for one in resolver.url_patterns:  # type: ignore[attr-defined]
        if hasattr(one, "url_patterns"):
            inner = f"{one.namespace}:" if one.namespace else namespace
            names |= set() if inner.endswith(("api:", "mlflow:")) else _pages_of(one, inner)
        elif one.name and one.name != "workspace-nowhere" and not _only_changes(one.callback):
            names.add(f"{namespace}{one.name}")
    return names


def _only_changes(view: object) -> bool:
    """Whether the view refuses GET (`require_POST`)."""
    seen: object | None = view
    while seen is not None:
        for cell in getattr(seen, "__closure__", None) or ():
            if cell.cell_contents == ["POST"]:
                return True
        seen = getattr(seen, "__wrapped__", None)
    return False


def test_no_page_complains_scrolls_sideways_or_shuts_anybody_out(themed, address, company):
    theme, page = themed
    said: list[str] = []
    page.on("console", lambda message: said.append(f"{page.url}: {message.text}"))
    page.on("pageerror", lambda error: said.append(f"{page.url}: {error}"))
    faults: list[str] = []
    for name, path in company.pages.items():
        page.set_viewport_size({"width": AXE_AT[theme], "height": 900})
        answer = page.goto(address + path)
        assert answer is not None
        assert answer.ok, f"{name} answers {answer.status}"
        assert "content-security-policy" in answer.headers, name
        expect(page.locator(UNSETTLED)).to_have_count(0)
        faults += [f"{name}: {one['id']}: {_where(one)}" for one in _violations(page, AXE_RULES[theme])]
        faults += [f"{name}: blocked {one}" for one in page.evaluate("reports")]
        faults += [f"{name}: scrolls sideways at {width}" for width in WIDTHS if _overflow(page, width)]

    assert not faults + said, "\n".join(faults + said)


def _violations(page: Page, rules: dict[str, object]) -> list[dict[str, object]]:
    found = Axe().run(page, options={"resultTypes": ["violations"], "runOnly": rules})
    return list(found.response["violations"])


def _where(violation: dict[str, object]) -> str:
    nodes = violation["nodes"]
    assert isinstance(nodes, list)
    return "; ".join(f"{node['target'][0]} {node['failureSummary']}"[:300] for node in nodes[:2])


def _overflow(page: Page, width: int) -> bool:
    page.set_viewport_size({"width": width, "height": 900})
    return bool(page.evaluate("document.documentElement.scrollWidth > innerWidth"))


def test_a_planted_fault_is_found(themed, address):
    theme, page = themed
    page.goto(f"{address}/")
    pale = f"<font color={PALE[theme]}>hardly to be read</font>"
    page.evaluate("html => document.querySelector('#fleet-title').insertAdjacentHTML('beforeend', html)", pale)

    assert "color-contrast" in {one["id"] for one in _violations(page, AXE_RULES[theme])}


class TestWithoutJavaScript:
    def test_the_fleet_tells_what_needs_a_person(self, plain, company):
        plain.goto("/")

        expect(plain.get_by_role("heading", name="Needs you now")).to_be_visible()
        expect(plain.get_by_role("link", name="Arrival time").first).to_be_visible()
        expect(plain.locator("#todo")).to_contain_text(company.alert.summary)

    def test_the_model_page_leads_to_its_numbers(self, plain):
        plain.goto("/models/arrival-time/")
        plain.get_by_role("link", name="Key figures and time line of Arrival time").click()

        expect(plain.get_by_text("Latency p95").first).to_be_visible()

    def test_lists_can_be_filtered(self, plain, company):
        plain.goto("/runs/")
        plain.select_option("#run-model", "credit-limit")
        plain.get_by_role("button", name="Filter").click()

        assert "model=credit-limit" in plain.url
        assert set(plain.locator("tbody th").all_inner_texts()) == {"Credit limit"}

        plain.goto("/alerts/")
        plain.select_option("#alert-severity", "critical")
        plain.get_by_role("button", name="Filter").click()

        assert "severity=critical" in plain.url
        expect(plain.locator("tbody tr").first).to_contain_text("Critical")

    def test_a_reference_can_be_uploaded(self, plain):
        rows = "trip_km,hour\n" + "".join(f"{n % 17}.5,{n % 24}\n" for n in range(50))
        plain.goto("/models/fresh/references/")
        plain.set_input_files("#id_file", {"name": "small.csv", "mimeType": "text/csv", "buffer": rows.encode()})
        plain.fill("#id_name", "second")
        plain.get_by_role("button", name="Upload reference").click()

        expect(plain.get_by_role("rowheader", name="second")).to_be_visible()
        assert Reference.objects.get(name="second").version.model.slug == "fresh"

    def test_a_model_is_made_and_changed(self, plain):
        plain.goto("/models/new/")
        plain.fill("#id_name", "Churn risk")
        plain.get_by_role("button", name="Register").click()
        plain.goto("/models/churn-risk/edit/")
        plain.fill("#id_purpose", "Who will leave.")
        plain.get_by_role("button", name="Save").click()

        expect(plain.get_by_text("Who will leave.")).to_be_visible()
        assert RegisteredModel.objects.get(slug="churn-risk").purpose == "Who will leave."

    def test_an_alert_is_acknowledged(self, plain, company):
        alert = Alert.objects.open().exclude(pk=company.alert.pk).latest("opened_at")
        plain.goto(f"/alerts/{alert.pk}/")
        plain.fill("#id_note", "asked the team of the maps")
        plain.get_by_role("button", name="Acknowledge with note").click()

        expect(plain.get_by_text("asked the team of the maps").first).to_be_visible()
        alert.refresh_from_db()
        assert alert.acknowledged_by == company.owner

    def test_signing_out_and_in_again(self, plain, company):
        plain.goto("/")
        plain.get_by_role("button", name="Sign out").click()
        plain.goto("/")
        plain.fill("[name=username]", company.owner.username)
        plain.fill("[name=password]", PASSWORD)
        plain.get_by_role("button", name="Sign in").click()

        expect(plain.get_by_role("heading", name="Fleet")).to_be_visible()


def test_a_journey_by_keyboard_alone(keyboard, company):
    """From the fleet to an alert that is then answered for, without a pointer."""
    page = keyboard
    page.goto("/")
    link = page.locator(f"#todo a[href='/alerts/{company.alert.pk}/']")
    for _ in range(80):
        page.keyboard.press("Tab")
        if link.evaluate("element => element === document.activeElement"):
            break
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/alerts/{company.alert.pk}/")
    page.keyboard.press("a")

    expect(page.get_by_text("answers for it").first).to_be_visible()
    company.alert.refresh_from_db()
    assert company.alert.acknowledged_by == company.owner
