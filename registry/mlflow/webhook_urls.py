"""Routes of webhooks below /api/2.0/mlflow/."""

from django.urls import path

from registry.mlflow import webhooks
from registry.mlflow.views import route

urlpatterns = [
    path("webhooks", route(POST=webhooks.webhook_create, GET=webhooks.webhook_search), name="webhook-search"),
    path(
        "webhooks/<str:webhook_id>",
        webhooks.one(GET=webhooks.webhook_get, PATCH=webhooks.webhook_update, DELETE=webhooks.webhook_delete),
        name="webhook-read",
    ),
    path("webhooks/<str:webhook_id>/test", webhooks.one(POST=webhooks.webhook_test), name="webhook-test"),
]
