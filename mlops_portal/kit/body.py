"""Strict bodies: unknown fields are refused, and no value is turned into another type."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError


class StrictSerializer(serializers.Serializer[Any]):
    """A serializer whose input may hold the fields it can write and nothing else."""

    def to_internal_value(self, data: Any) -> Any:
        """The typed values, or ValidationError with the code `unknown_field` for a field that cannot be written."""
        if isinstance(data, Mapping):
            writable = {name for name, field in self.fields.items() if not field.read_only}
            if unknown := [name for name in data if name not in writable]:
                known = ", ".join(sorted(writable))
                sentence = "There is no field {!r} here; it takes {}."
                raise ValidationError(
                    {name: [ErrorDetail(sentence.format(name[:64], known), code="unknown_field")] for name in unknown}
                )
        return super().to_internal_value(data)


class Text(serializers.CharField):
    """A JSON string; numbers are not taken for texts, and nothing is trimmed here."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**({"trim_whitespace": False, "allow_blank": True} | options))

    def to_internal_value(self, data: Any) -> str:
        """The text as it came."""
        if not isinstance(data, str):
            raise _wrong("a text", data)
        return str(super().to_internal_value(data))


class Whole(serializers.IntegerField):
    """A JSON integer; neither true nor "1"."""

    def to_internal_value(self, data: Any) -> int:
        """The number as it came."""
        if type(data) is not int:
            raise _wrong("a whole number", data)
        return data


class Real(serializers.FloatField):
    """A finite JSON number; neither true nor "1.5"."""

    def to_internal_value(self, data: Any) -> float:
        """The number as a double."""
        if isinstance(data, bool) or not isinstance(data, int | float):
            raise _wrong("a number", data)
        try:
            number = float(data)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            raise ValidationError("This number does not fit a double.", code="not_finite")
        return number


class Truth(serializers.BooleanField):
    """true or false; neither 1 nor "true"."""

    def to_internal_value(self, data: Any) -> bool:
        """The value as it came."""
        if not isinstance(data, bool):
            raise _wrong("true or false", data)
        return data


class Moment(serializers.DateTimeField):
    """A time as RFC 3339 writes it, with its offset."""

    def to_internal_value(self, data: Any) -> datetime:
        """The time in UTC, cut to milliseconds."""
        if not isinstance(data, str):
            raise _wrong("a time", data)
        try:
            moment = datetime.fromisoformat(data)
        except ValueError:
            raise ValidationError("Write a time such as 2025-11-20T09:31:07Z.", code="bad_time") from None
        if moment.tzinfo is None:
            raise ValidationError("The time has no offset; append Z or +01:00.", code="timezone_required")
        try:
            moment = moment.astimezone(UTC)
        except OverflowError:
            raise ValidationError("The time is out of range.", code="bad_time") from None
        return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


class Word(serializers.ChoiceField):
    """One of a few words."""

    def to_internal_value(self, data: Any) -> Any:
        """The word as it came."""
        if not isinstance(data, str):
            raise _wrong("a text", data)
        if data not in self.choices:
            known = ", ".join(map(str, self.choices))
            raise ValidationError(f"{data[:64]!r} is none of {known}.", code="invalid_choice")
        return data


def _wrong(wanted: str, data: Any) -> ValidationError:
    kinds = {bool: "true or false", str: "a text", dict: "an object", list: "a list", type(None): "null"}
    return ValidationError(f"This takes {wanted}, not {kinds.get(type(data), 'a number')}.", code="wrong_type")
