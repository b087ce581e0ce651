"""The inventory: what exists, who owns it, who may see it."""

from django.apps import AppConfig


class RegistryConfig(AppConfig):
    """App configuration."""

    name = "registry"
