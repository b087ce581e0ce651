"""Forms check shape and give typed values; rules live in the verbs, whose faults appear at the fields they name."""

from registry.forms.obeying import obey, status, tell

__all__ = ["obey", "status", "tell"]
