"""The top of the portal: pages that compose, commands, template tags."""

from django.apps import AppConfig


class PortalConfig(AppConfig):
    """App configuration."""

    name = "mlops_portal"
    label = "portal"
