"""Pages that compose all apps: the fleet, and search."""

from collections import Counter
from collections.abc import Sequence

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from mlops_portal import searching
from mlops_portal.kit import clock
from mlops_portal.kit.htmx import HtmxRequest, render_page
from mlops_portal.templatetags.portal import VERDICTS
from monitoring import reports
from monitoring.reports.fleet import Todo
from monitoring.stats.results import WORST_FIRST
from registry.models import Team

SHOWN_TODO = 7


@require_safe
@login_required
def fleet(request: HtmxRequest) -> HttpResponse:
    now = clock.now()
    rows = reports.fleet_rows(request.user, now=now)
    teams = sorted({(row.team_slug, row.team) for row in rows})
    chosen = request.GET.get("team", "")
    shown = [row for row in rows if chosen in ("", row.team_slug)]
    tally = Counter(row.worst or "no_data" for row in shown)
    context = {
        "rows": shown,
        **_waiting(reports.needs_now(request.user, shown, now=now)),
        "tallies": [(verdict.value, tally[verdict]) for verdict in WORST_FIRST if tally[verdict]],
        "team_options": teams if len(teams) > 1 else [],
        "legend": VERDICTS.values(),
        "may_register": bool(rows) or Team.objects.visible_to(request.user).exists(),
    }
    return render_page(request, "portal/fleet.html", context, partials={"fleet-rows", "todo"})


@require_safe
@login_required
def progress(request: HtmxRequest) -> HttpResponse:
    found = reports.progress(request.user)
    response = render(request, "portal/_progress.html", {"progress": found})
    if found:
        response["HX-Trigger"] = "measured"  # what the page shows of models may have moved
    return response


def _waiting(todo: Sequence[Todo]) -> dict[str, object]:
    """The first seven of what waits, and how many there are."""
    urgent = sum(item.tone == "bad" for item in todo)
    return {
        "todo": todo[:SHOWN_TODO],
        "urgent": urgent,
        "urgent_words": f"{urgent} urgent",
        "todo_others": len(todo) - urgent,
        "todo_hidden": max(0, len(todo) - SHOWN_TODO),
    }


@require_safe
@login_required
def search(request: HtmxRequest) -> HttpResponse:
    query = request.GET.get("q", "").replace("\x00", "").strip()[:200]
    hits = searching.search(request.user, query) if query else []
    if len(hits) == 1:
        return redirect(hits[0].url)
    return render_page(request, "portal/search.html", {"query": query, "hits": hits})
