"""The JSON documents of change events."""

from typing import Any

from rest_framework import serializers

from mlops_portal.kit.body import Moment, StrictSerializer, Text, Word
from registry.models import ChangeEvent


class ChangeEventDocument(serializers.Serializer[Any]):
    """A change that was reported."""

    id = serializers.UUIDField()
    team = serializers.CharField(source="team.slug")
    kind = serializers.ChoiceField(ChangeEvent.Kind.choices)
    title = serializers.CharField()
    severity = serializers.ChoiceField(ChangeEvent.Severity.choices)
    origin = serializers.CharField()
    event_id = serializers.CharField()
    source = serializers.CharField(source="source.slug", default=None, allow_null=True)  # type: ignore[assignment]
    model = serializers.CharField(source="model.slug", default=None, allow_null=True)
    endpoint = serializers.CharField(source="endpoint.slug", default=None, allow_null=True)
    feature = serializers.CharField(source="feature_name")
    started_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)
    actor = serializers.CharField()
    url = serializers.CharField()
    payload = serializers.DictField()
    created_at = serializers.DateTimeField()
    created_by = serializers.CharField()


class AffectedDocument(serializers.Serializer[Any]):
    """A model that the change may explain."""

    model = serializers.CharField(source="model.slug")
    distance = serializers.IntegerField(
        help_text="0 its own feature or source, 1 the same model or what feeds its source, 2 the same team."
    )
    reason = serializers.CharField()


class ChangeEventDetail(ChangeEventDocument):
    """A change with the models that it may explain, nearest first."""

    affects = AffectedDocument(many=True)


class ChangeBody(StrictSerializer):
    """A change to report; without model, endpoint or source it concerns the whole team."""

    team = Text(required=False, help_text="Slug of the team; may be left out with an API key.")
    kind = Word(ChangeEvent.Kind.choices)
    title = Text()
    origin = Text(
        required=False, help_text="Who says so, such as a pipeline's name; with event_id it names the change."
    )
    event_id = Text(required=False, help_text="The sender's id of it: repeated, it is the same change.")
    source = Text(required=False, help_text="Slug of a source.")  # type: ignore[assignment]
    model = Text(required=False, help_text="Slug of a model.")
    endpoint = Text(required=False, help_text="Slug of an endpoint.")
    feature = Text(required=False, help_text="Name of a feature of the model, or of those made from the source.")
    started_at = Moment(required=False, help_text="Now unless it is given; 400 days back and 1 day ahead at most.")
    ended_at = Moment(required=False, allow_null=True)
    severity = Word(ChangeEvent.Severity.choices, required=False)
    actor = Text(required=False, help_text="Who made the change.")
    url = Text(required=False, help_text="Where to read more.")
    payload = serializers.DictField(required=False, help_text="Anything else, at most 16 KB.")
