"""Metrics in words, and in the checks that measure them: nothing is measured that the table does not define."""

import ast
import inspect
import re
from pathlib import Path

from monitoring.checks.config import HOUR_PARTS, DataQuality, InputDrift
from monitoring.checks.performance import TASKS
from monitoring.metrics import words
from monitoring.reports.shared import MAIN_METRIC
from monitoring.stats.calibration import calibration_verdict
from monitoring.stats.metrics import DEFINITIONS, Level, Rise, definition
from monitoring.stats.quality import SHARE_RULE

ROOT = Path(__file__).resolve().parents[2]
ID = re.compile(r"[a-z][a-z0-9_]*\.[1-9]\d*")


def sources():
    for package in ("stats", "checks", "runs", "reports", "alerts"):
        for path in sorted((ROOT / "monitoring" / package).rglob("*.py")):
            if path.parent.name != "metrics":
                yield path


def test_every_id_that_is_written_in_the_source_is_defined():
    written = {
        node.value
        for path in sources()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and ID.fullmatch(node.value)
    }

    assert written - set(DEFINITIONS) == set()
    assert {"psi.1", "rows.1", "schema.1"} <= written


def test_every_id_that_is_put_together_is_defined():
    put_together = {f"{part}_share.1" for part in HOUR_PARTS}
    put_together |= {metric.id for task in TASKS.values() for metric in task.metrics}
    put_together |= set(MAIN_METRIC.values())

    assert put_together <= set(DEFINITIONS)


def test_defaults_of_the_checks_are_those_of_the_table():
    psi, nulls, ece = (definition(one).alert for one in ("psi.1", "null_share.1", "ece.1"))
    verdict = inspect.signature(calibration_verdict).parameters

    assert psi == Level(InputDrift().warn, InputDrift().drift) == Level(0.1, 0.25)
    assert nulls == Rise(
        SHARE_RULE.least_rise, SHARE_RULE.relative_rise, SHARE_RULE.drift_rise, SHARE_RULE.critical_rise
    )
    assert (DataQuality().min_change, DataQuality().critical_null) == (0.02, 0.5)
    assert ece == Level(verdict["warn"].default, verdict["worse"].default, "worse")


def test_words_are_those_of_the_definition():
    assert (words("auc.1").name, words("ap.1").brief, words("recall.1").unit) == ("AUC", "AP", "%")
    assert (words("mae.1").is_error, words("bias.1").is_error, words("auc.1").is_error) == (True, True, False)
    assert not words("psi.1").is_error
    assert words("psi.1").unit == words("calls_per_request.1").unit == ""
    assert words("psi.2") == words("psi.1")
