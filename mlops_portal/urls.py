"""Every URL of the portal."""

from importlib.util import find_spec

from django.conf import settings
from django.urls import include, path
from django.urls.resolvers import URLPattern, URLResolver

from mlops_portal import home, problems

urlpatterns: list[URLPattern | URLResolver] = [
    path("", home.fleet, name="home"),
    path("search/", home.search, name="search"),
    path("api/schema/", problems.schema, name="api-schema"),
    path("api/docs/", problems.docs, name="api-docs"),
    path("problems/<slug:code>/", problems.problem, name="problem-detail"),
]
for prefix, module in (  # while the parts arrive
    ("", "registry.account_urls"),
    ("", "registry.urls"),
    ("", "monitoring.urls"),
    ("api/v1/", "registry.api.urls"),
    ("api/v1/", "monitoring.api.urls"),
    ("", "mlops_portal.operations_urls"),
):
    if find_spec(module):
        urlpatterns.append(path(prefix, include(module)))

if settings.DEBUG or settings.TESTING:
    urlpatterns.append(path("components/", include("mlops_portal.home_components")))
