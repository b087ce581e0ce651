"""Pages of docs/ that the code's own tables write, so that they cannot fall behind."""

from collections.abc import Callable, Iterable, Sequence

from mlops_portal.kit import wiring
from mlops_portal.problem_codes import CODES
from mlops_portal.problems import schema_document, schema_yaml
from registry.permissions import ROLE_PERMISSIONS, Permission, Standing

_NOTE = "<!-- drawn from the code by `make fix`; edit there -->\n\n"


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


def openapi() -> str:
    """The OpenAPI schema."""
    return schema_yaml(schema_document())


def _first_line(handler: Callable[..., object]) -> str:
    return (handler.__doc__ or handler.__name__).strip().splitlines()[0]


PAGES: dict[str, Callable[[], str]] = {
    "permissions.md": permissions,
    "errors.md": errors,
    "jobs.md": job_kinds,
    "openapi.yaml": openapi,
}
