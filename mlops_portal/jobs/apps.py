"""Durable background work over one table."""

from django.apps import AppConfig


class JobsConfig(AppConfig):
    """App configuration."""

    name = "mlops_portal.jobs"
    label = "jobs"
