"""Routes of the inventory below /api/v1/; without trailing slashes."""

from django.urls import path

from registry.api import endpoints, models, revisions, serving, teams, versions

app_name = "registry-api"

urlpatterns = [
    path("teams", teams.TeamList.as_view(), name="team-list"),
    path("models", models.ModelList.as_view(), name="model-list"),
    path("models/<str:slug>", models.ModelDetail.as_view(), name="model-detail"),
    path("models/<str:slug>/features", models.FeatureList.as_view(), name="feature-list"),
    path("models/<str:slug>/versions", versions.VersionList.as_view(), name="version-list"),
    path("models/<str:slug>/versions/<int:number>", versions.VersionDetail.as_view(), name="version-detail"),
    path(
        "models/<str:slug>/versions/<int:number>/features",
        versions.VersionFeatureList.as_view(),
        name="version-feature-list",
    ),
    path("endpoints", endpoints.EndpointList.as_view(), name="endpoint-list"),
    path("endpoints/<str:slug>", endpoints.EndpointDetail.as_view(), name="endpoint-detail"),
    path("endpoints/<str:slug>/revisions", revisions.RevisionList.as_view(), name="revision-list"),
    path("endpoints/<str:slug>/revisions/<int:revision>", revisions.RevisionDetail.as_view(), name="revision-detail"),
    path("serving/<str:slug>", serving.serving, name="serving"),
]
