"""Every component in every state: right words and shapes, foreign text escaped, nothing the policy forbids."""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from django import forms
from django.apps import apps
from django.conf import settings
from django.contrib import messages
from django.contrib.messages.storage.base import Message
from django.template import engines
from django.template.loader import get_template, render_to_string
from django.test import RequestFactory
from django.utils.html import escape

from mlops_portal.home_components import HOSTILE_NAME, SampleForm
from mlops_portal.icons import SHAPES
from mlops_portal.kit.errors import Conflict
from mlops_portal.kit.ruling import YES, refused
from mlops_portal.templatetags.portal import (
    STATES,
    TONES,
    VERDICTS,
    Display,
    UnknownDisplay,
    state_display,
    tone_display,
    verdict_display,
)
from monitoring.stats.results import Verdict

TEMPLATES = Path(settings.BASE_DIR) / "templates"
OURS = ("registry", "monitoring", "review", "jobs")


def rendered(source: str, **context: object) -> str:
    return engines["django"].from_string(source).render(context)


def words(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def test_the_display_table_knows_exactly_the_verdicts():
    assert set(VERDICTS) == {verdict.value for verdict in Verdict}


@pytest.mark.parametrize("verdict", Verdict)
def test_a_verdict_has_a_shape_and_a_word(verdict):
    html = rendered("{% verdict verdict %}", verdict=verdict)

    assert words(html) == VERDICTS[verdict].word
    assert all(f'd="{path}"' in html for _, path in SHAPES[VERDICTS[verdict].shape])


def test_verdicts_are_told_apart_without_colour():
    by_shape = {
        shown.shape: {other.word for other in VERDICTS.values() if other.shape == shown.shape}
        for shown in VERDICTS.values()
    }

    assert {shape: found for shape, found in by_shape.items() if len(found) > 1} == {"diamond": {"Drift", "Worse"}}


@pytest.mark.parametrize("display", [verdict_display, state_display, tone_display])
@pytest.mark.parametrize("value", ["great", "", None, "OK"])
def test_an_unknown_value_has_no_look(display, value):
    with pytest.raises(UnknownDisplay, match="no display for"):
        display(value)


def test_an_unknown_verdict_fails_the_page():
    with pytest.raises(UnknownDisplay, match="'excellent'; known: ok, warn"):
        rendered("{% verdict 'excellent' %}")


def test_every_state_of_every_model_can_be_shown():
    kinds = {
        value
        for model in apps.get_models()
        if model._meta.app_label in OURS
        for name in ("State", "Status", "Lifecycle", "Severity")
        for value in getattr(getattr(model, name, None), "values", [])
    }

    assert kinds
    assert kinds - set(STATES) == set()


@pytest.mark.parametrize("table", [VERDICTS, STATES, TONES], ids=["verdicts", "states", "tones"])
def test_every_display_uses_a_known_shape(table: dict[str, Display]):
    assert {shown.shape for shown in table.values()} - {""} <= set(SHAPES)


@pytest.mark.parametrize("state", STATES)
def test_a_state_says_its_word(state):
    assert words(rendered("{% state state %}", state=state)) == STATES[state].word


def test_a_chip_may_say_more_than_its_verdict():
    assert words(rendered("{% state 'critical' '2 urgent' %}")) == "2 urgent"


def test_a_table_cell_names_its_verdict_for_those_who_cannot_see_it():
    html = rendered("{% health 'drift' '2 of 41' url title %}", url="/models/x/", title="worst: age")

    assert 'aria-label="Drift"' in html
    assert 'href="/models/x/"' in html
    assert words(html) == "2 of 41"


def test_the_survival_strip_names_all_weeks():
    html = rendered("{% weeks 'ok' 'worse' None %}")

    assert "week 1 ok, week 2 worse, week 3 not yet" in html
    assert html.count("<rect") == 3


def test_the_survival_strip_refuses_an_unknown_verdict():
    with pytest.raises(UnknownDisplay):
        rendered("{% weeks 'ok' 'superb' None %}")


def test_a_refused_button_stays_focusable_and_is_described_by_its_reason():
    html = rendered("{% button 'Approve' 'primary' ruling %}", ruling=refused("A second person has to approve."))

    assert 'aria-disabled="true"' in html
    assert " disabled" not in html
    described = re.search(r'aria-describedby="([^"]+)"', html)
    assert described
    assert f'id="{described[1]}"' in html
    assert "A second person has to approve." in html


@pytest.mark.parametrize("ruling", [YES, None])
def test_an_allowed_button_submits(ruling):
    html = rendered("{% button 'Approve' 'primary' ruling key='a' %}", ruling=ruling)

    assert 'type="submit"' in html
    assert 'data-key="a"' in html
    assert "aria-disabled" not in html


def test_a_refusal_gives_the_words_of_the_ruling_or_of_the_error():
    assert "Not yours." in rendered('{% include "components/_refusal.html" %}', ruling=refused("Not yours."))
    assert "Rev 31 moved." in rendered('{% include "components/_refusal.html" %}', error=Conflict("Rev 31 moved."))


def test_a_field_error_is_linked_to_its_field():
    form = SampleForm({"drift_limit": "0.001", "reason": "x", "direction": "up", "dtype": "float"})

    html = rendered("{% field form.drift_limit %}", form=form)

    assert 'aria-invalid="true"' in html
    assert 'aria-describedby="id_drift_limit_helptext id_drift_limit_error"' in html
    assert 'id="id_drift_limit_error"' in html
    assert 'id="id_drift_limit_helptext"' in html
    assert "Enter 0.01 or more." in html


def test_choices_are_real_radio_buttons_with_a_legend():
    html = rendered("{% field form.direction %}", form=SampleForm())

    assert "<legend>" in html
    assert html.count('type="radio"') == 2


def test_a_long_job_polls_until_it_is_over():
    running = SimpleNamespace(pk="j1", state="running", attempts=1)
    context = {"job": running, "title": "Backfill", "done": 37, "total": 90, "unit": "days", "elapsed_s": 190}

    html = rendered('{% include "components/_job.html" with poll_url="/jobs/j1/" %}', **context)

    assert 'hx-trigger="every 2s"' in html
    assert 'aria-label="37 of 90 days"' in html
    assert "hx-trigger" not in rendered('{% include "components/_job.html" %}', **context)


def test_a_table_takes_one_cell_per_column():
    columns = [("Day", False), ("n", True)]

    html = rendered("{% table 'Values' columns rows %}", columns=columns, rows=[["1 Nov", "412"]])

    assert '<th scope="row">1 Nov</th><td class="num">412</td>' in html
    with pytest.raises(ValueError, match="zip"):
        rendered("{% table 'Values' columns rows %}", columns=columns, rows=[["1 Nov"]])


@pytest.mark.parametrize(
    ("query", "url", "order"),
    [
        ("", "?sort=n", "none"),
        ("sort=n", "?sort=-n", "ascending"),
        ("sort=-n&team=a", "?sort=n&amp;team=a", "descending"),
    ],
)
def test_a_column_head_sorts_and_turns(query, url, order):
    request = RequestFactory().get(f"/runs/?{query}")

    html = engines["django"].from_string("{% sort_header 'n' 'n' numeric=True %}").render({}, request)

    assert f'href="{url}"' in html
    assert (f'aria-sort="{order}"' in html) is (order != "none")


def test_a_facet_keeps_other_filters_and_drops_the_cursor():
    request = RequestFactory().get("/alerts/?state=open&team=risk&cursor=abc")

    html = (
        engines["django"]
        .from_string("{% facet 'state' 'State' options %}")
        .render({"options": [("open", "open"), ("closed", "closed")]}, request)
    )

    assert 'href="?team=risk&amp;state=closed"' in html
    assert 'href="?team=risk"' in html
    assert "cursor" not in html
    assert re.search(r'class="chip acc"[^>]*aria-current="true">open<', html)


COMPONENTS_WITH_TEXT = {
    "_verdict": {"verdict": "ok", "text": HOSTILE_NAME},
    "_state": {"state": "open", "text": HOSTILE_NAME},
    "_health": {"verdict": "ok", "short": HOSTILE_NAME, "title": HOSTILE_NAME, "url": HOSTILE_NAME},
    "_todo": {"items": [{"tone": "bad", "subject": HOSTILE_NAME, "sentence": HOSTILE_NAME, "facts": [HOSTILE_NAME]}]},
    "_keyfigures": {"figures": [{"label": HOSTILE_NAME, "value": HOSTILE_NAME, "note": HOSTILE_NAME}]},
    "_table": {
        "label": HOSTILE_NAME,
        "columns": [(HOSTILE_NAME, False)],
        "rows": [[((HOSTILE_NAME, False), HOSTILE_NAME)]],
    },
    "_checks": {"checks": [{"tone": "ok", "text": HOSTILE_NAME, "fact": HOSTILE_NAME}]},
    "_log": {"entries": [{"text": HOSTILE_NAME, "at": None, "note": HOSTILE_NAME}]},
    "_refusal": {"ruling": refused(HOSTILE_NAME)},
    "_button": {"label": HOSTILE_NAME, "kind": "", "ruling": refused(HOSTILE_NAME)},
    "_notice": {"tone": "info", "first": HOSTILE_NAME, "text": HOSTILE_NAME},
    "_toast": {"tone": "ok", "text": HOSTILE_NAME, "url": HOSTILE_NAME, "action": HOSTILE_NAME},
    "_empty": {"title": HOSTILE_NAME, "why": HOSTILE_NAME, "url": HOSTILE_NAME, "action": HOSTILE_NAME},
    "_job": {"job": SimpleNamespace(pk="1", state="done", attempts=1), "title": HOSTILE_NAME, "error": HOSTILE_NAME},
    "_pager": {"previous_url": HOSTILE_NAME, "summary": HOSTILE_NAME},
    "_facet": {"label": HOSTILE_NAME, "links": [{"word": HOSTILE_NAME, "url": HOSTILE_NAME}]},
    "_sort": {"label": HOSTILE_NAME, "url": HOSTILE_NAME, "order": "none"},
    "_skeleton": {"label": HOSTILE_NAME},
}


@pytest.mark.parametrize("component", COMPONENTS_WITH_TEXT)
def test_foreign_text_is_escaped(component):
    html = render_to_string(f"components/{component}.html", COMPONENTS_WITH_TEXT[component])

    assert "<svg onload" not in html
    assert escape(HOSTILE_NAME) in html


class HostileForm(forms.Form):
    """A form whose every text comes from outside."""

    value = forms.ChoiceField(label=HOSTILE_NAME, help_text=HOSTILE_NAME, choices=[(HOSTILE_NAME, HOSTILE_NAME)])


def test_foreign_text_in_a_field_is_escaped():
    html = rendered("{% field form.value %}", form=HostileForm({"value": HOSTILE_NAME * 2}))

    assert "<svg onload" not in html


def every_template() -> list[str]:
    return sorted(str(path.relative_to(TEMPLATES)) for path in TEMPLATES.rglob("*.html") if "email" not in path.parts)


@pytest.mark.parametrize("name", every_template())
def test_a_template_compiles_and_breaks_no_policy(name):
    get_template(name)
    source = (TEMPLATES / name).read_text()

    assert not re.search(r"\sstyle\s*=", source)
    assert not re.search(r"<style\b", source)
    assert not re.search(r"<script(?![^>]*\ssrc=)", source)
    assert not re.search(r"\shx-on|\son[a-z]+\s*=|javascript:|\|safe\b|autoescape off", source)


def test_the_script_is_small_and_evaluates_nothing():
    script = (Path(settings.BASE_DIR) / "mlops_portal/static/portal.js").read_text()

    assert len(script.encode()) <= 6 * 1024
    assert not re.search(r"\beval\b|new Function|innerHTML|document\.write|setTimeout\(\s*[\"']", script)


def test_the_style_sheet_reaches_no_other_file_and_forces_nothing():
    sheet = (Path(settings.BASE_DIR) / "mlops_portal/static/portal.css").read_text()

    assert "url(" not in sheet
    assert "@import" not in sheet
    assert "!important" not in sheet
    assert sheet.count("{") == sheet.count("}")


@pytest.mark.parametrize("name", ["400.html", "403.html", "404.html", "500.html", "403_csrf.html"])
def test_an_error_page_needs_neither_database_nor_context(name):
    html = render_to_string(name)

    assert "<h1" in html
    assert "portal.css" in html


@pytest.mark.parametrize("level", [messages.DEBUG, messages.INFO, messages.SUCCESS, messages.WARNING, messages.ERROR])
def test_a_message_of_any_level_is_a_notice(level):
    message = Message(level, HOSTILE_NAME)

    html = rendered("{% include 'components/_notice.html' with tone=m.level_tag|message_tone first=m %}", m=message)

    assert 'class="note' in html
    assert "<svg onload" not in html


def test_the_page_of_components_shows_each_verdict_state_and_tone(client, alice):
    client.force_login(alice)

    page = client.get("/components/").content.decode()

    for shown in (*VERDICTS.values(), *STATES.values()):
        assert f"{shown.word}</span>" in page
    assert "<svg onload" not in page
    assert " style=" not in page
    assert not re.search(r"<script(?![^>]*\ssrc=)", page)
    assert page.count("<h1") == 1


def test_ids_of_the_page_of_components_are_unique_and_labels_resolve(client, alice):
    client.force_login(alice)

    page = client.get("/components/").content.decode()

    ids = re.findall(r'\sid="([^"]+)"', page)
    assert sorted(ids) == sorted(set(ids))
    assert {
        name for names in re.findall(r'aria-(?:labelledby|describedby)="([^"]+)"', page) for name in names.split()
    } <= set(ids)
