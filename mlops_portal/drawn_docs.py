"""Pages of docs/ that the code's own tables write, so that they cannot fall behind."""

from collections.abc import Callable, Iterable, Sequence

from mlops_portal.kit import wiring
from mlops_portal.problem_codes import CODES
from mlops_portal.problems import schema_document, schema_yaml
from monitoring.stats.metrics import DEFINITIONS, Family, MetricDefinition
from registry.permissions import ROLE_PERMISSIONS, Permission, Standing

_NOTE = "<!-- drawn from the code by `make fix`; edit there -->\n\n"
_METRIC_HEAD = (
    "id", "name", "formula", "unit", "range", "better", "default alert", "no value when", "source",
)  # fmt: skip
_METRIC_NOTES = """Every measurement carries the id of its metric. A changed formula gets a new version, `psi.2` after
`psi.1`, and measurements of the old one stay what they were.

Counts per bin: a of the reference (n rows), c of the window (m rows), B bins with a row on either side. Raw shares
P = a/n and Q = c/m; smoothed shares p = (a + .5)/(n + .5B) and q = (c + .5)/(m + .5B). Of rankings: r_i is the
relevance at the shown position i, R the number of relevant items, shown or not, k = 10.

Units: a share is a part of 1, shown in per cent; sd is the standard deviation of the reference; label, feature and
signal are the units of that column; currency is the one the portal is set to. Alerts are the defaults of a monitor, on
top of the interval or p-value that has to agree; evidence never alerts. Where there is no value, the code in the last
column but one says why.
"""


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def permissions() -> str:
    """Who may do what."""
    standings = list(Standing)
    rows = [
        [f"`{permission.value}`", *("x" if permission in ROLE_PERMISSIONS[one] else "" for one in standings)]
        for permission in Permission
    ]
    return f"# Permissions\n\n{_NOTE}{table(['permission', *(one.value for one in standings)], rows)}"


def errors() -> str:
    """Codes of the API."""
    rows = [[f"`{code}`", str(entry.status or "item"), entry.means, entry.remedy] for code, entry in CODES.items()]
    return f"# Error codes of the API\n\n{_NOTE}{table(['code', 'status', 'meaning', 'what to do'], rows)}"


def job_kinds() -> str:
    """Kinds of background work."""
    kinds = wiring.table("JOB_TABLES")
    rows = [[f"`{kind}`", _first_line(handler)] for kind, handler in sorted(kinds.items())]
    sweeps = [[f"`{sweep.__module__}.{sweep.__name__}`", _first_line(sweep)] for sweep in wiring.functions("SWEEPS")]
    return (
        f"# Background work\n\n{_NOTE}{table(['kind', 'what it does'], rows)}"
        f"\n## What falls due\n\nCalled every five seconds.\n\n{table(['sweep', 'what it looks for'], sweeps)}"
    )


def metrics() -> str:
    """Definitions of metrics."""
    families = "".join(
        f"\n## {family.value[:1].upper()}{family.value[1:]}\n\n{table(_METRIC_HEAD, map(_metric_row, known))}"
        for family in Family
        if (known := [one for one in DEFINITIONS.values() if one.family is family])
    )
    return f"# Metrics\n\n{_NOTE}{_METRIC_NOTES}{families}"


def _metric_row(one: MetricDefinition) -> list[str]:
    alert = ", ".join(filter(None, (str(one.alert or ""), one.rule))) or "-"
    return [
        f"`{one.id}`",
        one.name,
        one.formula,
        one.unit or "-",
        one.range,
        one.better,
        alert,
        one.undefined,
        one.source,
    ]


def openapi() -> str:
    """The OpenAPI schema."""
    return schema_yaml(schema_document())


def _first_line(handler: Callable[..., object]) -> str:
    return (handler.__doc__ or handler.__name__).strip().splitlines()[0]


PAGES: dict[str, Callable[[], str]] = {
    "permissions.md": permissions,
    "errors.md": errors,
    "jobs.md": job_kinds,
    "metrics.md": metrics,
    "openapi.yaml": openapi,
}
