"""Hypothesis draws the same examples in every run, and no slow machine fails a property."""

from hypothesis import settings

settings.register_profile("portal", derandomize=True, deadline=None)
settings.load_profile("portal")
