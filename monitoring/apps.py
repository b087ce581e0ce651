"""Traffic and measurement."""

from django.apps import AppConfig


class MonitoringConfig(AppConfig):
    """App configuration."""

    name = "monitoring"
