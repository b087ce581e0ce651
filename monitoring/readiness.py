"""What measurement can say of a model's week-three readiness (`registry/readiness.py` says what that is)."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import F, Window
from django.db.models.functions import RowNumber

from monitoring.models import Measurement, Reference, Run
from registry.models import Deployment, DeploymentArm, ModelVersion, RegisteredModel
from registry.readiness import Items, ReadinessItem

WINDOWS = 2  # the newest of each monitor
LOOK_BACK = timedelta(days=21)  # a weekly monitor has two windows within
DRIFT = ("input_drift", "output_drift")
ROLES = {"task": ("performance",), "business": ("business",), "operational": ("latency", "volume")}
_OVER = (Run.State.DONE, Run.State.NO_DATA, Run.State.FAILED)


def readiness(models: Iterable[RegisteredModel], *, now: datetime) -> Items:
    """Four items for each model; a few queries, however many models there are."""
    wanted = list(models)
    served, referred = _served(wanted), _referred(wanted)
    measured, steady = _measured(wanted, now)
    return {
        model.pk: [
            _reference(model, served[model.pk], referred),
            _drift(model, steady[model.pk]),
            _metrics(model, measured[model.pk]),
            _cost(model, measured[model.pk]),
        ]
        for model in wanted
    }


def _served(models: Sequence[RegisteredModel]) -> dict[UUID, dict[UUID, int]]:
    """Per model the versions that serve, with their numbers; where no revision is active, the newest version."""
    found: dict[UUID, dict[UUID, int]] = defaultdict(dict)
    now_served = Deployment.objects.filter(
        endpoint__model__in=models, endpoint__retired_at=None, revision=F("endpoint__pointer__revision")
    )
    arms = DeploymentArm.objects.filter(deployment__in=now_served).exclude(role=DeploymentArm.Role.FALLBACK)
    for model, version, number in arms.values_list("version__model", "version", "version__number"):
        found[model][version] = number
    silent = [model.pk for model in models if model.pk not in found]
    ranked = ModelVersion.objects.live().filter(model__in=silent).annotate(place=_place("model", "-number"))
    for model, version, number in ranked.filter(place=1).values_list("model", "pk", "number"):
        found[model][version] = number
    return found


def _referred(models: Sequence[RegisteredModel]) -> frozenset[UUID]:
    """Versions that have a primary reference."""
    primary = Reference.objects.filter(version__model__in=models, is_primary=True, state=Reference.State.READY)
    return frozenset(primary.values_list("version", flat=True))


def _measured(models: Sequence[RegisteredModel], now: datetime) -> tuple[dict[UUID, set[str]], dict[UUID, set[str]]]:
    """Per model the checks that have a value in the newest windows, and those that have one in every one of them."""
    runs = Run.objects.latest().filter(model__in=models, state__in=_OVER, window_end__gte=now - LOOK_BACK)
    ranked = runs.annotate(place=_place("monitor", "-window_end")).filter(place__lte=WINDOWS)
    windows = {pk: (model, monitor) for pk, model, monitor in ranked.values_list("pk", "model", "monitor")}
    with_value = Measurement.objects.current().filter(run__in=list(windows), value__isnull=False).order_by()
    seen: dict[tuple[Any, str], int] = defaultdict(int)
    for run, check in with_value.values_list("run", "check_key").distinct():
        seen[windows[run], check] += 1
    measured: dict[UUID, set[str]] = defaultdict(set)
    steady: dict[UUID, set[str]] = defaultdict(set)
    for ((model, _), check), count in seen.items():
        measured[model].add(check)
        if count == WINDOWS:
            steady[model].add(check)
    return measured, steady


def _place(group: str, order: str) -> Window:
    return Window(RowNumber(), partition_by=[F(group)], order_by=[order])


def _reference(model: RegisteredModel, served: dict[UUID, int], referred: frozenset[UUID]) -> ReadinessItem:
    title = "A reference for the served version"
    bare = sorted(number for version, number in served.items() if version not in referred)
    gap = "no version is registered" if not served else ""
    if bare:
        gap = f"version {', '.join(map(str, bare[:3]))} has no training data to compare with"
    return _item("reference", title, gap, "monitoring:reference-upload", model.slug)


def _drift(model: RegisteredModel, steady: set[str]) -> ReadinessItem:
    title = "Input and output drift were measured in the last two windows"
    missing = [check.replace("_", " ") for check in DRIFT if check not in steady]
    gap = f"{' and '.join(missing)} not measured in both" if missing else ""
    return _item("drift", title, gap, "monitoring:model-inputs", model.slug)


def _metrics(model: RegisteredModel, measured: set[str]) -> ReadinessItem:
    title = "One task, one business and one operational metric"
    missing = [role for role, checks in ROLES.items() if measured.isdisjoint(checks)]
    gap = f"no {' and no '.join(missing)} metric is measured" if missing else ""
    return _item("metrics", title, gap, "registry:model-detail", model.slug)


def _cost(model: RegisteredModel, measured: set[str]) -> ReadinessItem:
    """Without a budget there is nothing to hold the cost against, so the item is a no until budgets can be set."""
    gaps = ["no monthly budget is set"]
    if "cost" not in measured:
        gaps.append("predictions carry no cost")
    return _item(
        "cost", "Monthly budget and cost per 1,000 predictions", "; ".join(gaps), "registry:model-detail", model.slug
    )


def _item(key: str, title: str, gap: str, *fix: str) -> ReadinessItem:
    return ReadinessItem(key, title, gap, tuple(fix) if gap else ())
