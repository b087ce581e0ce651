"""Forms of models, versions, features and endpoints."""

import re
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

from django import forms
from django.core.exceptions import ValidationError

from registry.inventory import FeatureDraft
from registry.inventory.features import CHANGEABLE_WHEN_FROZEN
from registry.models import Endpoint, Environment, Feature, Membership, RegisteredModel, Source, Team, User

SCORES = (
    ("probability", "A probability"),
    ("number", "A number"),
    ("none", "No score"),
)


SECTIONS = (
    ("The model", ("team", "name", "slug", "task", "owner", "deputy")),
    ("What it answers", ("score", "classes", "positive", "range", "unit")),
    ("What people have to know", ("purpose", "intended_use", "limitations", "description")),
    ("Risk", ("risk", "risk_reason")),
)


def _text(label: str, help_text: str = "", *, rows: int = 3, required: bool = False) -> forms.CharField:
    widget = forms.Textarea(attrs={"rows": rows})
    return forms.CharField(label=label, required=required, widget=widget, help_text=help_text, strip=False)


class Lines(forms.CharField):
    """Several short texts, one a line."""

    def __init__(self, **options: Any) -> None:
        super().__init__(required=False, widget=forms.Textarea(attrs={"rows": 4}), **options)

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list | tuple) else value

    def clean(self, value: Any) -> Any:
        return [line.strip() for line in str(super().clean(value)).splitlines() if line.strip()]


class Numbers(forms.CharField):
    """Several numbers, with spaces or commas between them."""

    def __init__(self, **options: Any) -> None:
        super().__init__(required=False, **options)

    def prepare_value(self, value: Any) -> Any:
        return " ".join(f"{number:g}" for number in value) if isinstance(value, list | tuple) else value

    def clean(self, value: Any) -> Any:
        words = re.split(r"[\s,;]+", str(super().clean(value)).strip())
        try:
            return [float(word) for word in words if word]
        except ValueError:
            raise ValidationError(f"{str(value)[:64]!r} are not numbers; write them like 0 18 30.") from None


class ModelForm(forms.Form):
    """What describes a model; on an edit, what of it may still change."""

    team = forms.ModelChoiceField(queryset=Team.objects.none(), to_field_name="slug", label="Team", empty_label=None)
    name = forms.CharField(label="Name", max_length=256, help_text="Such as Credit default. It may change later.")
    slug = forms.CharField(
        label="Slug",
        required=False,
        max_length=63,
        help_text="Part of every address, never changes; empty: made from the name.",
    )
    task = forms.ChoiceField(label="Task", choices=RegisteredModel.Task.choices)
    score = forms.ChoiceField(
        label="Score",
        choices=(("", "As usual for the task"), *SCORES),
        required=False,
        help_text="What comes with a prediction: a probability of the positive class, or a number.",
    )
    classes = Lines(label="Classes", help_text="One a line; of a binary model the negative one first.")
    positive = forms.CharField(label="Positive class", required=False, max_length=128)
    range = Numbers(label="Range of the score", help_text="Low and high end, such as 0 1; empty: unbounded.")
    unit = forms.CharField(label="Unit", required=False, max_length=16, help_text="Of a number: min, EUR, bikes.")
    owner = forms.ChoiceField(label="Owner", required=False, help_text="Who answers for it. Members of the team.")
    deputy = forms.ChoiceField(label="Deputy", required=False)
    purpose = _text("Purpose", "What it predicts, for which decision, in a sentence.")
    intended_use = _text("Intended use")
    limitations = _text("Limitations", "Where it must not be used, and why.")
    risk = forms.ChoiceField(
        label="Risk", choices=RegisteredModel.Risk.choices, initial=RegisteredModel.Risk.UNRATED, required=False
    )
    risk_reason = _text("Reason for the risk", rows=2)
    description = _text("Description")

    def __init__(self, *args: Any, teams: Sequence[Team], model: RegisteredModel | None = None, **options: Any) -> None:
        super().__init__(*args, **options)
        self._model = model
        members = Membership.objects.filter(team__in=teams, user__is_active=True)
        names = members.order_by("user__username").values_list("user__username", flat=True).distinct()
        people = [("", "Nobody"), *((name, name) for name in names)]
        for role in ("owner", "deputy"):
            self.fields[role].choices = people  # type: ignore[attr-defined]
        if model is None:
            self.fields["team"].queryset = Team.objects.filter(pk__in=[team.pk for team in teams])  # type: ignore[attr-defined]
            return
        for fixed in ("team", "slug", *(("task",) if model.task else ())):
            del self.fields[fixed]

    def sections(self) -> list[tuple[str, list[forms.BoundField]]]:
        """The fields as the page groups them."""
        return [(title, [self[name] for name in names if name in self.fields]) for title, names in SECTIONS]

    @classmethod
    def initial_of(cls, model: RegisteredModel) -> dict[str, Any]:
        """What the form of an existing model shows at first."""
        plain = ("name", "purpose", "intended_use", "limitations", "risk", "risk_reason", "description")
        output = {key: model.output.get(key) for key in ("score", "classes", "positive", "range", "unit")}
        people = {role: getattr(model, role).username if getattr(model, role) else "" for role in ("owner", "deputy")}
        return {name: getattr(model, name) for name in plain} | output | people

    def described(self) -> dict[str, Any]:
        """The values as `register_model` and `edit_model` take them."""
        values = dict(self.cleaned_data)
        output = {key: values.pop(key) for key in ("score", "classes", "positive", "range", "unit")}
        for role in ("owner", "deputy"):
            values[role] = User.objects.filter(username=values[role]).first() if values[role] else None
        values["risk"] = values["risk"] or RegisteredModel.Risk.UNRATED.value
        return values | {"output": self._output(output)}

    def _output(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Only what the person said or had before; the rest is as usual for the task."""
        said = {key: value for key, value in given.items() if value not in ("", [], None)}
        if self._model is None or not self._model.task:
            return said
        cleared: dict[str, Any] = {"classes": [], "positive": "", "range": None, "unit": None}
        return {**self._model.output, **cleared, **said}


class FeatureForm(forms.Form):
    """One feature."""

    name = forms.CharField(label="Name", max_length=400, strip=False, help_text="Exactly as it stands in predictions.")
    dtype = forms.ChoiceField(label="Type", choices=Feature.Dtype.choices)
    kind = forms.ChoiceField(label="Kind", choices=Feature.Kind.choices, initial=Feature.Kind.INPUT)
    segment = forms.BooleanField(label="Measure segments by it", required=False)
    required = forms.BooleanField(label="Expected in every prediction", required=False, initial=True)
    privacy = forms.ChoiceField(
        label="Privacy",
        choices=(("", "As usual for the type"), *Feature.Privacy.choices),
        required=False,
        help_text="Applied before the first write. A text without categories is hashed unless you say otherwise.",
    )
    edges = Numbers(label="Bucket edges", help_text="Only for the rule bucket: rising numbers, such as 0 18 30 65.")
    allowed_min = forms.FloatField(label="Lowest plausible value", required=False)
    allowed_max = forms.FloatField(label="Highest plausible value", required=False)
    categories = Lines(label="Categories", help_text="One a line; others are stored and counted as unseen.")
    source = forms.ModelChoiceField(
        queryset=Source.objects.none(),
        to_field_name="slug",
        label="Source",
        required=False,
        empty_label="Not said",
        help_text="The system it comes from.",
    )
    source_field = forms.CharField(
        label="Name in the source", required=False, max_length=400, help_text="Such as table.column, if it differs."
    )
    importance = forms.FloatField(label="Importance", required=False, help_text="Any scale; larger matters more.")
    abs_tolerance = forms.FloatField(label="Absolute tolerance", required=False, initial=1e-6)
    rel_tolerance = forms.FloatField(label="Relative tolerance", required=False, initial=1e-3)
    description = _text("Description", rows=2)

    def __init__(self, *args: Any, team: Team, frozen: bool = False, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["source"].queryset = Source.objects.filter(team=team).order_by("slug")  # type: ignore[attr-defined]
        self._frozen = frozen
        for name, field in self.fields.items():
            field.disabled = frozen and name not in CHANGEABLE_WHEN_FROZEN | {"edges"}

    @classmethod
    def initial_of(cls, feature: Feature) -> dict[str, Any]:
        """What the form of an existing feature shows at first."""
        names = [name for name in cls.base_fields if name != "edges"]
        values = {name: getattr(feature, name) for name in names}
        edges = feature.privacy_options.get("edges", [])
        return values | {"edges": edges, "source": feature.source.slug if feature.source else None}

    def as_draft(self) -> FeatureDraft:
        """The feature as the person describes it."""
        values = dict(self.cleaned_data)
        edges = values.pop("edges")
        for name, usual in (("abs_tolerance", 1e-6), ("rel_tolerance", 1e-3)):
            values[name] = usual if values[name] is None else values[name]
        privacy = values.pop("privacy") or None
        options = {"edges": edges} if privacy == Feature.Privacy.BUCKET else {}
        values["categories"] = tuple(values["categories"])
        return FeatureDraft(**values, privacy=privacy, privacy_options=options)


class FeatureLinesForm(forms.Form):
    """Several features at once, one a line: name and type."""

    lines = forms.CharField(
        label="Several at once",
        widget=forms.Textarea(attrs={"rows": 5}),
        max_length=100_000,
        help_text="One a line: the name, a space and the type, such as income number. Types: "
        + ", ".join(Feature.Dtype.values)
        + ".",
    )

    def clean_lines(self) -> list[FeatureDraft]:
        """The drafts; a line that is no feature is named."""
        drafts = []
        for number, line in enumerate(self.cleaned_data["lines"].splitlines(), 1):
            name, _, dtype = line.strip().rpartition(" ")
            if not line.strip():
                continue
            if dtype not in Feature.Dtype.values or not name.strip():
                raise ValidationError(f"Line {number}, {line.strip()[:64]!r}, is not a name, a space and a type.")
            drafts.append(FeatureDraft(name=name.strip(), dtype=dtype))
        return drafts


class VersionForm(forms.Form):
    """A version to register."""

    once = forms.CharField(widget=forms.HiddenInput, max_length=64)
    source = forms.CharField(
        label="Source",
        required=False,
        max_length=4000,
        help_text="Such as s3://models/credit/7. Never fetched.",
    )
    source_version = forms.CharField(
        label="Name of the version elsewhere",
        required=False,
        max_length=400,
        help_text="Predictions may use it too.",
    )
    framework = forms.CharField(label="Framework", required=False, max_length=400)
    run_id = forms.CharField(label="Training run", required=False, max_length=400)
    git_sha = forms.CharField(label="Commit", required=False, max_length=400)
    description = _text("Description")

    @staticmethod
    def fresh() -> "VersionForm":
        """An empty form with a key of its own, so that pressing twice registers once."""
        return VersionForm(initial={"once": f"form-{uuid4()}"})


class VersionEditForm(forms.Form):
    """What may change about a version."""

    description = _text("Description")


class BlockForm(forms.Form):
    """Why a version must not serve."""

    reason = _text("Reason", "What goes wrong when it serves.", rows=2, required=True)


class EndpointForm(forms.Form):
    """A place where a model is served."""

    slug = forms.CharField(label="Slug", max_length=63, help_text="Such as credit-decision; it never changes.")
    environment = forms.ModelChoiceField(
        queryset=Environment.objects.all(), label="Environment", empty_label=None, initial="production"
    )
    kind = forms.ChoiceField(label="Kind", choices=Endpoint.Kind.choices)
    location = forms.CharField(
        label="Location", required=False, max_length=4000, help_text="URL, queue or schedule. A text, never fetched."
    )
    alias = forms.CharField(
        label="Alias",
        required=False,
        max_length=400,
        help_text="An alias of the model, such as champion, that always points at what is served here.",
    )
    routing_unit = forms.CharField(
        label="Callers stay on one version by",
        required=False,
        max_length=400,
        initial="request_id",
        help_text="request_id, or a feature such as customer; takes effect with the next revision.",
    )
    slo_p95_ms = forms.IntegerField(label="Latency limit p95, ms", required=False)
    slo_p99_ms = forms.IntegerField(label="Latency limit p99, ms", required=False)
    timeout_ms = forms.IntegerField(label="Timeout, ms", required=False)
    rate_limit_rps = forms.IntegerField(label="Most requests per second", required=False)
    base = forms.IntegerField(widget=forms.HiddenInput, required=False)

    def __init__(self, *args: Any, endpoint: Endpoint | None = None, **options: Any) -> None:
        super().__init__(*args, **options)
        if endpoint is not None:
            del self.fields["slug"]

    @classmethod
    def initial_of(cls, endpoint: Endpoint) -> dict[str, Any]:
        """What the form of an existing endpoint shows at first."""
        plain = [name for name in cls.base_fields if name not in {"slug", "environment", "base"}]
        values = {name: getattr(endpoint, name) for name in plain}
        return values | {"environment": endpoint.environment_id, "base": endpoint.lock_version}

    def described(self) -> dict[str, Any]:
        """The values as `create_endpoint` and `edit_endpoint` take them."""
        values = {name: value for name, value in self.cleaned_data.items() if name != "base"}
        return values | {"environment": values["environment"].pk}


class DeleteForm(forms.Form):
    """The slug typed again, so that nobody deletes the wrong model by a slip."""

    slug = forms.CharField(label="Slug of the model", help_text="Type it to confirm.")
    base = forms.IntegerField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, model: RegisteredModel, **options: Any) -> None:
        super().__init__(*args, **options)
        self._model = model

    def clean_slug(self) -> str:
        """The slug, if it is the model's."""
        if self.cleaned_data["slug"] != self._model.slug:
            raise ValidationError(f"This is not the slug; type {self._model.slug}.")
        return self._model.slug
