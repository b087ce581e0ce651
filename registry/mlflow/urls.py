"""Routes of MLflow's client below /api/2.0/mlflow/; without trailing slashes."""

from django.urls import include, path

from registry.mlflow import views

app_name = "mlflow"

urlpatterns = [
    path("registered-models/create", views.route(POST=views.model_create), name="model-create"),
    path("registered-models/get", views.route(GET=views.model_get), name="model-read"),
    path("registered-models/search", views.route(GET=views.model_search), name="model-search"),
    path("registered-models/rename", views.route(POST=views.model_rename), name="model-rename"),
    path("registered-models/update", views.route(PATCH=views.model_update), name="model-update"),
    path("registered-models/delete", views.route(DELETE=views.model_delete), name="model-delete"),
    path(
        "registered-models/get-latest-versions",
        views.route(GET=views.model_latest, POST=views.model_latest),
        name="version-latest",
    ),
    path("registered-models/set-tag", views.route(POST=views.model_set_tag), name="model-tag"),
    path("registered-models/delete-tag", views.route(DELETE=views.model_delete_tag), name="model-untag"),
    path(
        "registered-models/alias",
        views.route(POST=views.alias_set, GET=views.alias_get, DELETE=views.alias_delete),
        name="alias-detail",
    ),
    path("model-versions/create", views.route(POST=views.version_create), name="version-create"),
    path("model-versions/get", views.route(GET=views.version_get), name="version-read"),
    path("model-versions/search", views.route(GET=views.version_search), name="version-search"),
    path("model-versions/update", views.route(PATCH=views.version_update), name="version-update"),
    path("model-versions/delete", views.route(DELETE=views.version_delete), name="version-delete"),
    path("model-versions/transition-stage", views.route(POST=views.version_transition), name="version-transition"),
    path("model-versions/get-download-uri", views.route(GET=views.version_download_uri), name="version-download"),
    path("model-versions/set-tag", views.route(POST=views.version_set_tag), name="version-tag"),
    path("model-versions/delete-tag", views.route(DELETE=views.version_delete_tag), name="version-untag"),
    path("", include("registry.mlflow.webhook_urls")),
    path("<path:path>", views.nowhere, name="nowhere-detail"),
]
