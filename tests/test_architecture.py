"""The shape of the house, read from the source: who imports whom, and what nobody may do."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
OURS = ("mlops_portal", "registry", "monitoring", "review")

MAY_IMPORT: dict[str, set[str]] = {  # package -> our packages it may import besides itself
    "mlops_portal/kit": set(),
    "mlops_portal/jobs": {"mlops_portal.kit"},
    "registry": {"mlops_portal.kit", "mlops_portal.jobs"},
    "monitoring": {"mlops_portal.kit", "mlops_portal.jobs", "registry"},
    "monitoring/stats": set(),
    "review": {"mlops_portal.kit", "mlops_portal.jobs", "registry", "monitoring"},
}
SURFACES = ("urls", "account_urls", "views", "api", "tasks", "forms", "admin")
HEAVY = ("pandas", "scipy", "pyarrow", "duckdb", "sklearn")
STATS_MAY_USE = {"numpy", "scipy"} | set(sys.stdlib_module_names)


def modules(package: str) -> Iterator[Path]:
    for path in sorted((ROOT / package).rglob("*.py")):
        if "migrations" not in path.parts:
            yield path


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.relative_to(ROOT)} uses a relative import"
            for alias in node.names:
                yield f"{node.module}.{alias.name}"


def lies_in(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_packages_import_one_way(package: str) -> None:
    allowed = {package.replace("/", "."), *MAY_IMPORT[package]}
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in modules(package)
        for name in imported(path)
        if name.split(".")[0] in OURS and not any(lies_in(name, ok) for ok in allowed)
    ]
    assert wrong == []


@pytest.mark.parametrize("app", ["registry", "monitoring", "review"])
def test_the_domain_does_not_know_its_surfaces(app: str) -> None:
    surface = tuple(f"{app}.{name}" for name in SURFACES)
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in modules(app)
        if path.relative_to(ROOT / app).parts[0].removesuffix(".py") not in SURFACES
        for name in imported(path)
        if any(lies_in(name, one) for one in surface)
    ]
    assert wrong == []


@pytest.mark.parametrize("app", ["registry", "monitoring", "review"])
def test_models_import_no_domain_module(app: str) -> None:
    allowed = ("registry.models", "monitoring.models", "monitoring.stats.results", "review.models")
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in modules(f"{app}/models")
        for name in imported(path)
        if name.split(".")[0] in OURS[1:] and not any(lies_in(name, ok) for ok in allowed)
    ]
    assert wrong == []


def test_statistics_need_no_django() -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in modules("monitoring/stats")
        for name in imported(path)
        if name.split(".")[0] not in STATS_MAY_USE and not lies_in(name, "monitoring.stats")
    ]
    assert wrong == []


def test_no_import_stands_inside_a_function() -> None:
    """But scipy.stats and scipy.optimize in monitoring.stats: they cost 0.8 s and few processes need them."""
    wrong = []
    for path in (path for package in OURS for path in modules(package)):
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            for node in ast.walk(function):
                if isinstance(node, ast.Import | ast.ImportFrom):
                    module = node.module if isinstance(node, ast.ImportFrom) else node.names[0].name
                    late = "monitoring/stats" in str(path) and str(module).startswith("scipy")
                    if not late:
                        wrong.append(f"{path.relative_to(ROOT)}:{node.lineno} imports {module}")
    assert wrong == []


def test_there_are_no_signal_receivers_and_no_forbidden_calls() -> None:
    forbidden = {"mark_safe", "receiver", "eval", "exec"}
    wrong = []
    for path in (path for package in OURS for path in modules(package)):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                name = node.func.id if isinstance(node.func, ast.Name) else ""
                attribute = node.func.attr if isinstance(node.func, ast.Attribute) else ""
                on_objects = isinstance(node.func, ast.Attribute) and "objects" in ast.unparse(node.func.value)
                if (
                    name in forbidden
                    or attribute == "select_for_update"
                    or (on_objects and attribute in {"extra", "raw"})
                ):
                    wrong.append(f"{path.relative_to(ROOT)}:{node.lineno} calls {name or attribute}")
    assert wrong == []


def test_module_names_say_what_they_hold() -> None:
    vague = {"utils", "helpers", "common", "services", "misc"}
    assert [str(p.relative_to(ROOT)) for one in OURS for p in modules(one) if p.stem in vague] == []


def test_raw_sql_stays_in_a_few_low_modules() -> None:
    allowed = {
        "mlops_portal/jobs/sql.py",
        "mlops_portal/jobs/database.py",
        "mlops_portal/kit/insertion.py",  # the hot path of ingestion: statements the ORM writes, run without it
        "mlops_portal/kit/prepared.py",
        "mlops_portal/readiness_checks.py",
        "mlops_portal/health.py",
    }
    wrong = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for package in OURS
        for path in modules(package)
        if str(path.relative_to(ROOT)) not in allowed
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute)
        and node.attr == "cursor"
        and isinstance(node.value, ast.Name)
        and node.value.id == "connection"
    ]
    assert wrong == []


def test_only_one_module_calls_the_outside() -> None:
    clients = ("urllib3", "urllib.request", "http.client", "requests", "httpx", "aiohttp", "ftplib", "telnetlib")
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for package in OURS
        for path in modules(package)
        if str(path.relative_to(ROOT)) != "mlops_portal/kit/outbound.py"
        for name in imported(path)
        if any(lies_in(name, client) for client in clients)
    ]
    assert wrong == []


def test_the_web_process_loads_no_heavy_library() -> None:
    """Start-up of the web process stays light: pages read rows that jobs have saved."""
    program = (
        "import django, sys; django.setup(); from django.urls import get_resolver; get_resolver().url_patterns; "
        f"print([m for m in {HEAVY!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]", done.stdout


def test_templates_carry_no_inline_style_or_script() -> None:
    wrong = [
        str(path.relative_to(ROOT))
        for path in (ROOT / "templates").rglob("*.html")
        if "email" not in path.parts
        and any(bad in path.read_text(encoding="utf-8") for bad in (" style=", "<style", "onclick=", "|safe", "hx-on"))
    ]
    assert wrong == []
