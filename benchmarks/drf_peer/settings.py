"""The portal's settings with the peer's route added."""

from mlops_portal.settings import *  # noqa: F403

ROOT_URLCONF = "benchmarks.drf_peer.urls"
