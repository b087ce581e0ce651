"""The portal's routes and the peer's."""

from django.urls import include, path

from benchmarks.drf_peer.views import Predictions

urlpatterns = [
    path("api/v1/peer/<str:slug>/predictions", Predictions.as_view()),
    path("", include("mlops_portal.urls")),
]
