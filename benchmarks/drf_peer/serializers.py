"""The fields of a prediction, each checked by a serializer field."""

from functools import cache

from rest_framework import serializers

from registry.models import Feature


class Prediction(serializers.Serializer):
    """One prediction without its features."""

    request_id = serializers.CharField(max_length=128)
    version = serializers.CharField(max_length=64)
    predicted_at = serializers.DateTimeField()
    endpoint = serializers.CharField(max_length=128, required=False)
    score = serializers.FloatField(min_value=0, max_value=1, required=False)
    prediction = serializers.CharField(max_length=256, required=False)
    latency_ms = serializers.FloatField(min_value=0, required=False)


@cache
def prediction_of(version_id: str) -> type[serializers.Serializer]:
    """The serializer of a version's predictions, made once from its features."""
    rows = Feature.objects.filter(version=version_id).order_by("position")
    fields = {row.name: _field(row) for row in rows}
    features = type("Features", (serializers.Serializer,), fields)
    return type("VersionPrediction", (Prediction,), {"features": features()})


def _field(row: Feature) -> serializers.Field:
    if row.dtype in (Feature.Dtype.NUMBER, Feature.Dtype.INTEGER, Feature.Dtype.TIMESTAMP):
        return serializers.FloatField(required=row.required, allow_null=True)
    return serializers.CharField(max_length=256, required=row.required, allow_null=True)
