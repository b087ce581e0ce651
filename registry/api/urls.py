"""Routes of the inventory below /api/v1/; without trailing slashes."""

from django.urls import path

from registry.api import (
    changes,
    consumers,
    endpoints,
    keys,
    labels,
    models,
    revisions,
    serving,
    sources,
    teams,
    trail,
    versions,
    webhooks,
)

app_name = "registry-api"

urlpatterns = [
    path("audit", trail.AuditList.as_view(), name="audit-list"),
    path("teams", teams.TeamList.as_view(), name="team-list"),
    path("models", models.ModelList.as_view(), name="model-list"),
    path("models/<str:slug>", models.ModelDetail.as_view(), name="model-detail"),
    path("models/<str:slug>/readiness", models.ModelReadiness.as_view(), name="model-readiness"),
    path("models/<str:slug>/features", models.FeatureList.as_view(), name="feature-list"),
    path("models/<str:slug>/versions", versions.VersionList.as_view(), name="version-list"),
    path("models/<str:slug>/versions/<int:number>", versions.VersionDetail.as_view(), name="version-detail"),
    path(
        "models/<str:slug>/versions/<int:number>/features",
        versions.VersionFeatureList.as_view(),
        name="version-feature-list",
    ),
    path("models/<str:slug>/aliases", labels.AliasList.as_view(), name="alias-list"),
    path("models/<str:slug>/aliases/<str:name>", labels.AliasDetail.as_view(), name="alias-detail"),
    path("models/<str:slug>/tags", labels.ModelTags.as_view(), name="model-tag-list"),
    path("models/<str:slug>/tags/<path:key>", labels.ModelTag.as_view(), name="model-tag"),
    path("models/<str:slug>/versions/<int:number>/tags", labels.VersionTags.as_view(), name="version-tag-list"),
    path("models/<str:slug>/versions/<int:number>/tags/<path:key>", labels.VersionTag.as_view(), name="version-tag"),
    path("sources", sources.SourceList.as_view(), name="source-list"),
    path("sources/<str:slug>", sources.SourceDetail.as_view(), name="source-detail"),
    path("consumers", consumers.ConsumerList.as_view(), name="consumer-list"),
    path("consumers/<uuid:consumer_id>", consumers.ConsumerDetail.as_view(), name="consumer-detail"),
    path("keys", keys.KeyList.as_view(), name="key-list"),
    path("keys/<str:key_id>/rotate", keys.KeyRotation.as_view(), name="key-rotate"),
    path("keys/<str:key_id>/revoke", keys.KeyRevocation.as_view(), name="key-revoke"),
    path("endpoints", endpoints.EndpointList.as_view(), name="endpoint-list"),
    path("endpoints/<str:slug>", endpoints.EndpointDetail.as_view(), name="endpoint-detail"),
    path("endpoints/<str:slug>/revisions", revisions.RevisionList.as_view(), name="revision-list"),
    path("endpoints/<str:slug>/revisions/<int:revision>", revisions.RevisionDetail.as_view(), name="revision-detail"),
    path("serving/<str:slug>", serving.serving, name="serving"),
    path("change-events", changes.ChangeEventList.as_view(), name="change-event-list"),
    path("change-events/<uuid:event_id>", changes.ChangeEventOne.as_view(), name="change-event-detail"),
    path("webhooks", webhooks.WebhookList.as_view(), name="webhook-list"),
    path("webhooks/<uuid:webhook_id>", webhooks.WebhookDetail.as_view(), name="webhook-detail"),
    path("webhooks/<uuid:webhook_id>/test", webhooks.WebhookTrial.as_view(), name="webhook-test"),
    path("webhooks/<uuid:webhook_id>/rotate", webhooks.WebhookSecret.as_view(), name="webhook-rotate"),
    path("messages", webhooks.MessageList.as_view(), name="message-list"),
    path("messages/<uuid:message_id>/replay", webhooks.MessageReplay.as_view(), name="message-replay"),
]
