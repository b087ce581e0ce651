"""Every URL of the portal."""

from django.conf import settings
from django.urls import include, path
from django.urls.resolvers import URLPattern, URLResolver

from mlops_portal import home, problems
from registry.mlflow.views import nowhere

urlpatterns: list[URLPattern | URLResolver] = [
    path("api/v1/", include("monitoring.api.urls")),  # first: routes are tried in turn, and traffic is most of it
    path("api/v1/", include("registry.api.urls")),
    path("api/2.0/mlflow/", include("registry.mlflow.urls")),
    path("api/3.0/mlflow/<path:path>", nowhere, name="workspace-nowhere"),
    path("", home.fleet, name="home"),
    path("progress/", home.progress, name="progress"),
    path("search/", home.search, name="search"),
    path("", include("registry.account_urls")),
    path("", include("registry.urls")),
    path("", include("monitoring.urls")),
    path("", include("review.urls")),
    path("", include("mlops_portal.operations_urls")),
    path("api/schema/", problems.schema, name="api-schema"),
    path("api/docs/", problems.docs, name="api-docs"),
    path("problems/<slug:code>/", problems.problem, name="problem-detail"),
]

if settings.DEBUG or settings.TESTING:
    urlpatterns.append(path("components/", include("mlops_portal.home_components")))
