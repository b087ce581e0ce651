"""People: human review and decisions."""

from django.apps import AppConfig


class ReviewConfig(AppConfig):
    """App configuration."""

    name = "review"
