"""Plans in words and rows, for pages, change events and messages."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlops_portal.kit.wording import number, percent
from registry.deployments.plan import Plan
from registry.models import Deployment, Endpoint


@dataclass(frozen=True, slots=True)
class BandRow:
    """One band: for whom, which scores, and what is done with them."""

    where: str
    scores: str
    action: str


@dataclass(frozen=True, slots=True)
class DescribedRule:
    """A decision rule: one sentence, and its bands if it has any."""

    sentence: str
    rows: tuple[BandRow, ...] = ()


@dataclass(frozen=True, slots=True)
class ServedEndpoint:
    """An endpoint with what it serves now, in a few words; no revision: it was never activated."""

    endpoint: Endpoint
    deployment: Deployment | None
    summary: str


def served(endpoints: Iterable[Endpoint]) -> list[ServedEndpoint]:
    """What each of the endpoints serves; no query if they were read with `pointer__deployment`."""
    found = []
    for endpoint in endpoints:
        deployment = endpoint.pointer.deployment
        words = summary(Plan.of(deployment)) if deployment else "never activated"
        found.append(ServedEndpoint(endpoint, deployment, words))
    return found


def summary(plan: Plan) -> str:
    """The arms in a few words.

    >>> summary(Plan.single(7)), summary(Plan())
    ('version 7', 'off')
    """
    if not plan.arms:
        return "off"
    if len(plan.arms) == 1:
        return f"version {plan.arms[0].version}"
    return ", ".join(f"{arm.role} version {arm.version} ({arm.share})" for arm in plan.arms)


def described_rule(rule: Mapping[str, Any]) -> DescribedRule:
    """What is done with a score."""
    match rule.get("kind"):
        case "bands":
            default = _rows("everyone" if not rule.get("segments") else "everyone else", rule["bands"])
            segments = [row for one in rule.get("segments", []) for row in _rows(_where(one["where"]), one["bands"])]
            return DescribedRule(f"The {rule['score']} decides, by bands.", (*segments, *default))
        case "argmax" if "min_confidence" in rule:
            least = percent(rule["min_confidence"])
            return DescribedRule(f"The most probable class, if it reaches {least}; otherwise {rule['otherwise']}.")
        case "argmax":
            return DescribedRule("The most probable class.")
    return DescribedRule("None: the model's answer is passed on as it is.")


def described_fallback(fallback: Mapping[str, Any]) -> str:
    """What is done without an answer."""
    match fallback.get("kind"):
        case "action":
            return f"The action {fallback['action']}."
        case "arm":
            return f"The arm {fallback['arm']}."
    return "None: callers get an error."


def _rows(where: str, bands: Sequence[Mapping[str, Any]]) -> list[BandRow]:
    ends = [band["from"] for band in bands[1:]]
    rows = []
    for band, end in zip(bands, [*ends, None], strict=True):
        start = band["from"]
        low = "" if start is None else f"from {number(start)}"
        high = "" if end is None else f"to under {number(end)}"
        rows.append(BandRow(where, f"{low} {high}".strip() or "any", band["action"]))
    return rows


def _where(where: Mapping[str, Sequence[Any]]) -> str:
    return " and ".join(f"{name} {' or '.join(map(str, values))}" for name, values in where.items())
