"""The JSON documents of the inventory: what an answer shows, and what a body may hold."""

from typing import Any

from rest_framework import serializers

from mlops_portal.kit.body import Real, StrictSerializer, Text, Truth, Whole, Word
from mlops_portal.kit.errors import Fault, Invalid
from registry.inventory import FeatureDraft
from registry.models import Endpoint, Feature, RegisteredModel, Source, Team


class TeamDocument(serializers.Serializer[Any]):
    """A team."""

    slug = serializers.CharField()
    name = serializers.CharField()
    contact = serializers.CharField()


class FeatureDocument(serializers.Serializer[Any]):
    """One feature of a list."""

    name = serializers.CharField()
    dtype = serializers.ChoiceField(Feature.Dtype.choices)
    kind = serializers.ChoiceField(Feature.Kind.choices)
    segment = serializers.BooleanField()
    required = serializers.BooleanField()  # type: ignore[assignment]
    privacy = serializers.ChoiceField(Feature.Privacy.choices)
    privacy_options = serializers.DictField()
    allowed_min = serializers.FloatField(allow_null=True)
    allowed_max = serializers.FloatField(allow_null=True)
    categories = serializers.ListField(child=serializers.CharField())
    importance = serializers.FloatField(allow_null=True)
    abs_tolerance = serializers.FloatField()
    rel_tolerance = serializers.FloatField()
    source = serializers.CharField(source="source.slug", default=None, allow_null=True)  # type: ignore[assignment]
    source_field = serializers.CharField()
    description = serializers.CharField()


class FeatureBody(StrictSerializer):
    """One feature as a client describes it; `privacy` is chosen by type unless it is given."""

    name = Text()
    dtype = Word(Feature.Dtype.choices)
    kind = Word(Feature.Kind.choices, required=False)
    segment = Truth(required=False)
    required = Truth(required=False)  # type: ignore[assignment]
    privacy = Word(Feature.Privacy.choices, required=False, allow_null=True)
    privacy_options = serializers.DictField(required=False)
    allowed_min = Real(required=False, allow_null=True)
    allowed_max = Real(required=False, allow_null=True)
    categories = serializers.ListField(child=Text(), required=False)
    importance = Real(required=False, allow_null=True)
    abs_tolerance = Real(required=False)
    rel_tolerance = Real(required=False)
    source = Text(  # type: ignore[assignment]
        required=False, allow_null=True, help_text="Slug of a source of the model's team."
    )
    source_field = Text(required=False, help_text="What the source calls it.")
    description = Text(required=False)


class FeaturesBody(StrictSerializer):
    """A whole list of features."""

    features = FeatureBody(many=True)


class FeaturesDocument(serializers.Serializer[Any]):
    """A whole list of features."""

    items = FeatureDocument(many=True)


class OutputBody(StrictSerializer):
    """What a model answers."""

    score = Text(required=False)
    classes = serializers.ListField(child=Text(), required=False)
    positive = Text(required=False)
    range = serializers.ListField(child=Real(), required=False, allow_null=True)
    unit = Text(required=False, allow_null=True)


class ModelDocument(serializers.Serializer[Any]):
    """A registered model."""

    id = serializers.UUIDField()
    slug = serializers.CharField()
    name = serializers.CharField()
    team = serializers.CharField(source="team.slug")
    task = serializers.ChoiceField(RegisteredModel.Task.choices, allow_blank=True, help_text="Empty: not said yet.")
    lifecycle = serializers.ChoiceField(RegisteredModel.Lifecycle.choices)
    owner = serializers.CharField(source="owner.username", default=None, allow_null=True)
    deputy = serializers.CharField(source="deputy.username", default=None, allow_null=True)
    purpose = serializers.CharField()
    intended_use = serializers.CharField()
    description = serializers.CharField()
    limitations = serializers.CharField()
    risk = serializers.ChoiceField(RegisteredModel.Risk.choices)
    risk_reason = serializers.CharField()
    review_due_on = serializers.DateField(allow_null=True)
    output = serializers.DictField()
    readiness_share = serializers.FloatField(allow_null=True)
    managed_by = serializers.CharField()
    is_demo = serializers.BooleanField()
    lock_version = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    created_by = serializers.CharField()
    updated_at = serializers.DateTimeField()


class ServedDocument(serializers.Serializer[Any]):
    """What one endpoint serves; null where it was not activated."""

    endpoint = serializers.CharField(source="endpoint.slug")
    environment = serializers.CharField(source="endpoint.environment_id")
    revision = serializers.IntegerField(source="deployment.revision", default=None, allow_null=True)
    strategy = serializers.CharField(source="deployment.strategy", default=None, allow_null=True)
    since = serializers.DateTimeField(source="deployment.created_at", default=None, allow_null=True)
    versions = serializers.ListField(child=serializers.IntegerField())


class ModelDetailDocument(ModelDocument):
    """A registered model with its tags, and with aliases and served revisions of now or of the moment `as_of`."""

    as_of = serializers.DateTimeField(allow_null=True)
    tags = serializers.DictField(child=serializers.CharField())
    aliases = serializers.DictField(child=serializers.IntegerField())
    serving = ServedDocument(many=True)


class ReadinessItemDocument(serializers.Serializer[Any]):
    """One question of readiness with its answer; `fix` names the page that closes the gap."""

    key = serializers.CharField()
    title = serializers.CharField()
    holds = serializers.BooleanField()
    gap = serializers.CharField()
    fix = serializers.ListField(child=serializers.CharField())


class ReadinessDocument(serializers.Serializer[Any]):
    """Whether a model would be understood when its authors are gone; null where that was not measured yet."""

    share = serializers.FloatField(source="readiness_share", allow_null=True)
    measured_at = serializers.DateTimeField(source="readiness_at", allow_null=True)
    items = ReadinessItemDocument(source="readiness", many=True)


class ModelPatch(StrictSerializer):
    """What may change about a model; what is left out stays."""

    name = Text(required=False)
    owner = Text(required=False, allow_null=True, help_text="User name of a member of the team.")
    deputy = Text(required=False, allow_null=True)
    purpose = Text(required=False)
    intended_use = Text(required=False)
    description = Text(required=False)
    limitations = Text(required=False)
    risk = Word(RegisteredModel.Risk.choices, required=False)
    risk_reason = Text(required=False)
    review_due_on = serializers.DateField(required=False, allow_null=True)
    task = Word(RegisteredModel.Task.choices, required=False, help_text="May be said once, if it was not said yet.")
    output = OutputBody(required=False)


class ModelBody(ModelPatch):
    """A model to register."""

    name = Text()
    slug = Text(required=False, help_text="Made from the name unless it is given; never changes.")
    team = Text(required=False, help_text="Slug of the team; may be left out with an API key.")
    task = Word(RegisteredModel.Task.choices)
    features = FeatureBody(many=True, required=False)


class VersionDocument(serializers.Serializer[Any]):
    """A version of a model."""

    id = serializers.UUIDField()
    model = serializers.CharField(source="model.slug")
    number = serializers.IntegerField()
    status = serializers.CharField()
    blocked_reason = serializers.CharField()
    source = serializers.CharField()  # type: ignore[assignment]
    source_version = serializers.CharField()
    framework = serializers.CharField()
    run_id = serializers.CharField()
    git_sha = serializers.CharField()
    artifact_sha256 = serializers.CharField()
    description = serializers.CharField()
    schema_frozen_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()
    created_by = serializers.CharField()


class VersionDetail(VersionDocument):
    """A version with its features."""

    features = FeatureDocument(many=True, source="features.all")


class VersionBody(StrictSerializer):
    """A version to register; its number is the next one, its features those of the model unless a list is given."""

    source = Text(  # type: ignore[assignment]
        required=False, help_text="A URI such as s3://models/credit/7; it is never fetched."
    )
    source_version = Text(required=False)
    framework = Text(required=False)
    run_id = Text(required=False)
    git_sha = Text(required=False)
    artifact_sha256 = Text(required=False)
    description = Text(required=False)
    features = FeatureBody(many=True, required=False)


class EndpointDocument(serializers.Serializer[Any]):
    """A place where a model is served."""

    id = serializers.UUIDField()
    slug = serializers.CharField()
    model = serializers.CharField(source="model.slug")
    environment = serializers.CharField(source="environment_id")
    kind = serializers.ChoiceField(Endpoint.Kind.choices)
    location = serializers.CharField()
    alias = serializers.CharField()
    routing_unit = serializers.CharField()
    rate_limit_rps = serializers.IntegerField(allow_null=True)
    managed_by = serializers.CharField()
    slo_p95_ms = serializers.IntegerField(allow_null=True)
    slo_p99_ms = serializers.IntegerField(allow_null=True)
    timeout_ms = serializers.IntegerField(allow_null=True)
    lock_version = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    created_by = serializers.CharField()
    updated_at = serializers.DateTimeField()
    retired_at = serializers.DateTimeField(allow_null=True)


class EndpointPatch(StrictSerializer):
    """What may change about an endpoint; what is left out stays."""

    environment = Text(required=False)
    kind = Word(Endpoint.Kind.choices, required=False)
    location = Text(required=False, help_text="URL, queue or schedule; it is never fetched.")
    alias = Text(required=False, help_text="The MLflow alias that mirrors the primary arm; fixed while it serves.")
    routing_unit = Text(required=False, help_text="`request_id` or a feature: what keeps a caller on one arm.")
    rate_limit_rps = Whole(required=False, allow_null=True)
    slo_p95_ms = Whole(required=False, allow_null=True)
    slo_p99_ms = Whole(required=False, allow_null=True)
    timeout_ms = Whole(required=False, allow_null=True)


class EndpointBody(EndpointPatch):
    """An endpoint to note."""

    slug = Text()
    model = Text(help_text="Slug of the model.")
    environment = Text()


def drafts(values: list[dict[str, Any]], team: Team) -> list[FeatureDraft]:
    """The feature drafts of a checked body, or Invalid naming every source that the team does not have."""
    slugs = {value["source"] for value in values if value.get("source") is not None}
    known = {source.slug: source for source in Source.objects.filter(team=team, slug__in=slugs)}
    faults = [
        Fault("invalid", f"{team.name} has no source {value['source'][:64]!r}.", f"/features/{i}/source")
        for i, value in enumerate(values)
        if value.get("source") not in {None, *known}
    ]
    if faults:
        raise Invalid(faults[0].detail, faults=faults)
    return [
        FeatureDraft(
            **value | {"categories": tuple(value.get("categories", ())), "source": known.get(value.get("source") or "")}
        )
        for value in values
    ]


def features(rows: Any) -> dict[str, Any]:
    """The document of a feature list."""
    return {"items": FeatureDocument(rows, many=True).data}
