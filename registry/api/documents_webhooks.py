"""The JSON documents of webhooks and their messages. A secret stands only in the answer to the request that made it."""

from typing import Any

from rest_framework import serializers

from mlops_portal.kit.body import StrictSerializer, Text, Word
from registry.models import OutboxMessage, Webhook


class WebhookDocument(serializers.Serializer[Any]):
    """A receiver of the team's messages."""

    id = serializers.UUIDField()
    team = serializers.CharField(source="team.slug")
    name = serializers.CharField()
    description = serializers.CharField()
    url = serializers.CharField()
    events = serializers.ListField(child=serializers.CharField())
    format = serializers.ChoiceField(Webhook.Format.choices)
    status = serializers.ChoiceField(Webhook.Status.choices)
    status_reason = serializers.CharField()
    failures = serializers.IntegerField()
    last_success_at = serializers.DateTimeField(allow_null=True)
    old_secret_until = serializers.DateTimeField(allow_null=True)
    lock_version = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    created_by = serializers.CharField()
    updated_at = serializers.DateTimeField()


class WebhookWithSecret(WebhookDocument):
    """A webhook with the secret that was made just now; nobody can show it again."""

    secret = serializers.CharField(help_text="Shown once. Empty in the answer to a repeated request.")


class WebhookPatch(StrictSerializer):
    """What may change about a webhook; what is left out stays."""

    name = Text(required=False)
    description = Text(required=False)
    url = Text(required=False, help_text="https, of a name that leads to public addresses only.")
    events = serializers.ListField(
        child=Text(), required=False, help_text="Types such as version.registered, version.* or *."
    )
    status = Word([Webhook.Status.ACTIVE, Webhook.Status.DISABLED], required=False)


class WebhookBody(WebhookPatch):
    """A webhook to register."""

    team = Text(required=False, help_text="Slug of the team; may be left out with an API key.")
    name = Text()
    url = Text()
    events = serializers.ListField(child=Text())


class TrialBody(StrictSerializer):
    """Which example to send."""

    event = Text(required=False, help_text="For the MLflow format: one of its events.")


class TrialDocument(serializers.Serializer[Any]):
    """What a test found out."""

    success = serializers.BooleanField()
    status = serializers.IntegerField(allow_null=True)
    answer = serializers.CharField()
    error = serializers.CharField()


class AttemptDocument(serializers.Serializer[Any]):
    """One attempt to deliver a message."""

    at = serializers.CharField()
    ms = serializers.IntegerField()
    status = serializers.IntegerField(allow_null=True, default=None)
    error = serializers.CharField(allow_blank=True)


class MessageDocument(serializers.Serializer[Any]):
    """A message to one receiver."""

    id = serializers.UUIDField()
    team = serializers.CharField(source="team.slug")
    type = serializers.CharField()
    transport = serializers.CharField()
    destination = serializers.CharField()
    state = serializers.ChoiceField(OutboxMessage.State.choices)
    attempts = serializers.IntegerField()
    next_at = serializers.DateTimeField()
    attempt_log = AttemptDocument(many=True)
    created_at = serializers.DateTimeField()
    sent_at = serializers.DateTimeField(allow_null=True)
