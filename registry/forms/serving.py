"""Forms of what endpoints serve: a plan without knowing its JSON, the way back, and off."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from registry.deployments import Arm, Plan
from registry.models import DeploymentArm, ModelVersion
from registry.models.deployment_arm import WHOLE_BPS

_Role = DeploymentArm.Role
_BAND = re.compile(r"(\S+)\s+(\S.*)\Z")
# Roles the form has fields for, each with the label its arm gets, unless the present revision names it otherwise.
LABELS = {
    _Role.PRIMARY: "main",
    _Role.CANARY: "canary",
    _Role.VARIANT: "variant",
    _Role.SHADOW: "shadow",
    _Role.FALLBACK: "fallback",
}
RULES = (("none", "None: the answer is passed on"), ("bands", "Bands of the score"), ("argmax", "Most probable class"))
FALLBACKS = (("none", "None: callers get an error"), ("action", "An action"), ("arm", "Another version"))
SECTIONS = (
    ("Versions", ("primary", "canary", "canary_share", "variant", "variant_share", "shadow", "shadow_share")),
    ("Decision rule", ("rule", "bands", "segments", "min_confidence", "otherwise")),
    ("Fallback", ("fallback", "action", "spare")),
    ("Why", ("reason",)),
)


class Bands(forms.CharField):
    """Bands, one a line: where it begins, a space, the action."""

    def __init__(self, **options: Any) -> None:
        super().__init__(required=False, widget=forms.Textarea(attrs={"rows": 4}), **options)

    def clean(self, value: Any) -> Any:
        return [read_band(line) for line in str(super().clean(value)).splitlines() if line.strip()]


class Segments(forms.CharField):
    """Segments, one a line: `region=EU,UK & channel=web: 0 approve; 0.5 review`."""

    def __init__(self, **options: Any) -> None:
        super().__init__(required=False, widget=forms.Textarea(attrs={"rows": 3}), **options)

    def clean(self, value: Any) -> Any:
        return [read_segment(line) for line in str(super().clean(value)).splitlines() if line.strip()]


class ActivateForm(forms.Form):
    """A plan with up to one arm of each kind; what is richer than that is activated by API."""

    base = forms.IntegerField(widget=forms.HiddenInput, min_value=0)
    primary = forms.ChoiceField(label="Version", help_text="Takes the traffic that no other version takes.")
    canary = forms.ChoiceField(label="Canary", required=False, help_text="A version tried on a part of the traffic.")
    canary_share = forms.FloatField(label="Canary takes, %", required=False, min_value=0, max_value=100)
    variant = forms.ChoiceField(
        label="Second variant of an A/B test", required=False, help_text="Then neither is the primary one."
    )
    variant_share = forms.FloatField(label="Second variant takes, %", required=False, min_value=0, max_value=100)
    shadow = forms.ChoiceField(label="Shadow", required=False, help_text="Sees traffic and answers nobody.")
    shadow_share = forms.FloatField(label="Shadow sees, %", required=False, min_value=0, max_value=100)
    rule = forms.ChoiceField(label="What is done with the answer", choices=RULES)
    bands = Bands(label="Bands", help_text="One a line, lowest first: 0 approve, 0.4 review, 0.72 decline.")
    segments = Segments(
        label="Bands for some callers", help_text="One a line, first that fits: region=EU,UK: 0 approve; 0.5 review."
    )
    min_confidence = forms.FloatField(label="Least probability of the class", required=False, help_text="0 to 1.")
    otherwise = forms.CharField(label="Action below it", required=False, max_length=64)
    fallback = forms.ChoiceField(label="Without an answer", choices=FALLBACKS)
    action = forms.CharField(
        label="Fallback action", required=False, max_length=64, help_text="review means: a human decides."
    )
    spare = forms.ChoiceField(label="Fallback version", required=False)
    reason = forms.CharField(label="Reason", required=False, max_length=4000, widget=forms.Textarea(attrs={"rows": 2}))

    def __init__(self, *args: Any, versions: Sequence[ModelVersion], present: Plan, **options: Any) -> None:
        super().__init__(*args, **options)
        self._labels = LABELS | {_Role(arm.role): arm.label for arm in reversed(present.arms)}
        choices = [(str(version.number), _shown(version)) for version in versions]
        self.fields["primary"].choices = choices  # type: ignore[attr-defined]
        for name in ("canary", "variant", "shadow", "spare"):
            self.fields[name].choices = [("", "None"), *choices]  # type: ignore[attr-defined]

    def sections(self) -> list[tuple[str, list[forms.BoundField]]]:
        """The fields as the page groups them."""
        return [(title, [self[name] for name in names]) for title, names in SECTIONS]

    @staticmethod
    def initial_of(plan: Plan, base: int) -> dict[str, Any]:
        """What the form shows at first: the present plan."""
        values: dict[str, Any] = {"base": base, "rule": plan.decision_rule["kind"], "fallback": plan.fallback["kind"]}
        variants = [arm for arm in plan.arms if arm.role == _Role.VARIANT]
        by_role = {arm.role: arm for arm in reversed(plan.arms)}
        if len(variants) > 1:
            values |= {"primary": variants[0].version, "variant": variants[1].version}
            values["variant_share"] = variants[1].weight_bps / 100
        if primary := by_role.get(_Role.PRIMARY):
            values["primary"] = primary.version
        if canary := by_role.get(_Role.CANARY):
            values |= {"canary": canary.version, "canary_share": canary.weight_bps / 100}
        if shadow := by_role.get(_Role.SHADOW):
            values |= {"shadow": shadow.version, "shadow_share": shadow.mirror_bps / 100}
        if spare := by_role.get(_Role.FALLBACK):
            values["spare"] = spare.version
        return values | _rule_values(plan.decision_rule) | {"action": plan.fallback.get("action", "")}

    def as_plan(self) -> Plan:
        """The plan as the person describes it; whether it may be served is for the verb to say."""
        values = self.cleaned_data
        return Plan(
            arms=tuple(self._arms(values)),
            decision_rule=_rule(values),
            fallback=self._fallback(values),
            reason=values["reason"],
        )

    def _arms(self, values: Mapping[str, Any]) -> list[Arm]:
        canary, variant = _bps(values["canary_share"]), _bps(values["variant_share"])
        taken = (canary if values["canary"] else 0) + (variant if values["variant"] else 0)
        first = _Role.VARIANT if values["variant"] else _Role.PRIMARY
        label = "a" if values["variant"] else self._labels[_Role.PRIMARY]
        arms = [Arm(label, first, int(values["primary"]), WHOLE_BPS - taken)]
        if values["canary"]:
            arms.append(Arm(self._labels[_Role.CANARY], _Role.CANARY, int(values["canary"]), canary))
        if values["variant"]:
            arms.append(Arm("b", _Role.VARIANT, int(values["variant"]), variant))
        if values["shadow"]:
            share = WHOLE_BPS if values["shadow_share"] is None else _bps(values["shadow_share"])
            arms.append(Arm(self._labels[_Role.SHADOW], _Role.SHADOW, int(values["shadow"]), 0, share))
        if values["fallback"] == "arm" and values["spare"]:
            arms.append(Arm(self._labels[_Role.FALLBACK], _Role.FALLBACK, int(values["spare"])))
        return arms

    def _fallback(self, values: Mapping[str, Any]) -> dict[str, Any]:
        match values["fallback"]:
            case "action":
                return {"kind": "action", "action": values["action"]}
            case "arm":
                return {"kind": "arm", "arm": self._labels[_Role.FALLBACK]}
        return {"kind": "none"}


class RollBackForm(forms.Form):
    """Back to what an earlier revision served."""

    base = forms.IntegerField(widget=forms.HiddenInput, min_value=0)
    roll_back_to = forms.IntegerField(label="Revision", min_value=1, max_value=2**31 - 1)
    reason = forms.CharField(
        label="Reason", max_length=4000, widget=forms.Textarea(attrs={"rows": 2}), help_text="What went wrong."
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.auto_id = "back_%s"  # it shares a page with the form below


class SwitchOffForm(forms.Form):
    """Serve nothing."""

    base = forms.IntegerField(widget=forms.HiddenInput, min_value=0)
    reason = forms.CharField(
        label="Reason", max_length=4000, widget=forms.Textarea(attrs={"rows": 2}), help_text="Why it has to stop."
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.auto_id = "off_%s"


def read_band(line: str) -> dict[str, Any]:
    """`0.4 review` as a band; a `-` instead of the number begins at no lowest score.

    >>> read_band("0.4 review")
    {'from': 0.4, 'action': 'review'}
    """
    found = _BAND.match(line.strip())
    try:
        start = None if found and found[1] == "-" else float(found[1]) if found else None
    except ValueError:
        found = None
    if found is None:
        raise ValidationError(f"{line.strip()[:64]!r} is not a number, a space and an action, such as 0.4 review.")
    return {"from": start, "action": found[2].strip()}


def read_segment(line: str) -> dict[str, Any]:
    """A line of `Segments` as a segment.

    >>> read_segment("region=EU,UK: 0 approve; 0.5 review")["where"]
    {'region': ['EU', 'UK']}
    """
    head, colon, tail = line.partition(":")
    pairs = [pair.partition("=") for pair in head.split("&")]
    if not colon or not all(sign and name.strip() and values.strip() for name, sign, values in pairs):
        raise ValidationError(f"{line.strip()[:64]!r} will not do; write region=EU,UK: 0 approve; 0.5 review.")
    where = {name.strip(): [value.strip() for value in values.split(",")] for name, _, values in pairs}
    return {"where": where, "bands": [read_band(band) for band in tail.split(";") if band.strip()]}


def is_shown_whole(plan: Plan) -> bool:
    """Whether the form can show everything the plan holds."""
    roles = [arm.role for arm in plan.arms]
    once = all(roles.count(role) <= 1 for role in roles if role != _Role.VARIANT) and roles.count(_Role.VARIANT) <= 2
    texts = all(
        isinstance(value, str) and not set(value) & set(",:&=;\n")
        for segment in plan.decision_rule.get("segments", [])
        for values in segment["where"].values()
        for value in values
    )
    return once and texts


def _rule(values: Mapping[str, Any]) -> dict[str, Any]:
    match values["rule"]:
        case "bands":
            segments = {"segments": values["segments"]} if values["segments"] else {}
            return {"kind": "bands", "bands": values["bands"], **segments}
        case "argmax" if values["min_confidence"] is not None or values["otherwise"]:
            limits = {"min_confidence": values["min_confidence"], "otherwise": values["otherwise"]}
            return {"kind": "argmax", **limits}
    return {"kind": values["rule"]}


def _rule_values(rule: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "bands": "\n".join(_band(band) for band in rule.get("bands", [])),
        "segments": "\n".join(_segment(segment) for segment in rule.get("segments", [])),
        "min_confidence": rule.get("min_confidence"),
        "otherwise": rule.get("otherwise", ""),
    }


def _band(band: Mapping[str, Any]) -> str:
    start = "-" if band["from"] is None else repr(band["from"]).removesuffix(".0")
    return f"{start} {band['action']}"


def _segment(segment: Mapping[str, Any]) -> str:
    where = " & ".join(f"{name}={','.join(map(str, values))}" for name, values in segment["where"].items())
    return f"{where}: {'; '.join(_band(band) for band in segment['bands'])}"


def _bps(share: float | None) -> int:
    """Per cent as basis points."""
    return round((share or 0) * 100)


def _shown(version: ModelVersion) -> str:
    return f"version {version.number}" + (f" ({version.source_version})" if version.source_version else "")
