"""Requests of MLflow's client: who calls, and typed values out of a query string or a JSON body."""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import HttpRequest, QueryDict

from mlops_portal.kit.api import CONTROL_LIMIT_BYTES, parse_json
from mlops_portal.kit.errors import Invalid, TooLarge, Unauthenticated
from registry.permissions import KeyPrincipal, authenticate_key, key_from_request

SHOWN = 64
NUMBER_LIMIT = 2**31 - 1  # what the column of a version's number holds
_INTEGER = re.compile(r"\s*[+-]?[0-9]{1,40}\s*\Z")


@dataclass(frozen=True, slots=True)
class Call:
    """One request: who calls, when, and what it gives."""

    by: KeyPrincipal
    now: datetime
    given: "Given"


class Given:
    """The values of a request by name. Absent, null and empty are the same; names nobody asks for are ignored."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    def needed(self, name: str) -> str:
        """A text that has to be there. Raises Invalid if it is missing or no text."""
        value = self.text(name)
        if value == "":
            raise Invalid(f"Missing value for required parameter '{name}'.", field=name)
        return value

    def text(self, name: str) -> str:
        """A text, or an empty one."""
        value = self._one(name)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise _wrong(name, value, "a string")
        if any(mark == "\x00" or "\ud800" <= mark <= "\udfff" for mark in value):
            raise Invalid(f"Invalid value for parameter '{name}' supplied: it holds U+0000 or half a character.")
        return value

    def texts(self, name: str) -> list[str]:
        """A list of texts: in a query string the parameter repeated."""
        values = self._all(name)
        if not all(isinstance(value, str) for value in values):
            raise _wrong(name, values, "a list of strings")
        return list(values)

    def model_name(self, name: str = "name") -> str:
        """The name of a model, as names are stored: composed, without blanks around it."""
        return unicodedata.normalize("NFC", self.needed(name)).strip()

    def wanted_name(self) -> str:
        """The name that the request would give to a model, for a sentence; empty if it names none."""
        return str(self._one("new_name") or self._one("name") or "")

    def version(self) -> int:
        """The number of a version; 0, which none has, for one that is out of range. Text and number are both taken."""
        value = self._one("version")
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if value is None or value == "":
            raise Invalid("Missing value for required parameter 'version'.", field="version")
        if not isinstance(value, str) or not _INTEGER.match(value):
            raise Invalid(f"Parameter 'version' must be an integer, got '{str(value)[:SHOWN]}'.", field="version")
        return int(value) if 0 < int(value) <= NUMBER_LIMIT else 0

    def shown_version(self) -> str:
        """The version as the caller wrote it, for a sentence."""
        return str(self._one("version")).strip()[:SHOWN]

    def flag(self, name: str) -> bool:
        """True or false; false if it is not said."""
        value = self._one(name)
        if isinstance(value, str) and value.lower() in {"true", "false"}:
            return value.lower() == "true"
        if value is not None and not isinstance(value, bool):
            raise _wrong(name, value, "true or false")
        return bool(value)

    def page_size(self, default: int, limit: int) -> int:
        """`max_results`. Raises Invalid outside 1 to the limit."""
        value = self._one("max_results")
        if value is None or value == "":
            return default
        is_number = isinstance(value, int) and not isinstance(value, bool)
        if not is_number and not (isinstance(value, str) and _INTEGER.match(value)):
            raise _size(value, limit)
        if not 1 <= int(value) <= limit:
            raise _size(value, limit)
        return int(value)

    def tags(self) -> dict[str, str]:
        """Tags as {key: value}; of a key given twice the later one holds, a missing value counts as empty."""
        found = {}
        for tag in self._all("tags"):
            if not isinstance(tag, Mapping):
                raise _wrong("tags", tag, "a list of objects with key and value")
            one = Given(tag)
            found[one.needed("key")] = one.text("value")
        return found

    def objects(self, name: str) -> list["Given"]:
        """The objects of a list, or one object that stands alone; none if it is not there."""
        value = self._one(name)
        values = [value] if isinstance(value, Mapping) else self._all(name)
        if not all(isinstance(one, Mapping) for one in values):
            raise _wrong(name, values, "a list of objects")
        return [Given(one) for one in values]

    def _one(self, name: str) -> Any:
        return self._values.get(name)

    def _all(self, name: str) -> list[Any]:
        if isinstance(self._values, QueryDict):
            return self._values.getlist(name)
        value = self._values.get(name)
        if value is not None and not isinstance(value, list):
            raise _wrong(name, value, "a list")
        return value or []


def caller(request: HttpRequest, now: datetime) -> KeyPrincipal:
    """The program behind the key of the request; cookies are not looked at. Raises Unauthenticated."""
    text = key_from_request(request)
    if text is None:
        raise Unauthenticated(
            "Set MLFLOW_TRACKING_TOKEN to an API key of the portal, or MLFLOW_TRACKING_USERNAME (any) and "
            "MLFLOW_TRACKING_PASSWORD (the key)."
        )
    return authenticate_key(text, now)


def given(request: HttpRequest) -> Given:
    """What the request gives: of GET the query string, else the JSON body. Raises Invalid, Malformed, TooLarge."""
    if request.method in {"GET", "HEAD"}:
        return Given(request.GET)
    media = request.headers.get("Content-Type", "").split(";")[0].strip().lower()
    if media not in {"", "application/json"}:
        raise Invalid(f"The body has to be application/json, not {media[:SHOWN]}.")
    body = request.read(CONTROL_LIMIT_BYTES + 1)
    if len(body) > CONTROL_LIMIT_BYTES:
        raise TooLarge(f"The body has more than {CONTROL_LIMIT_BYTES} bytes.")
    values = parse_json(body) if body.strip() else {}
    if not isinstance(values, dict):
        raise Invalid("The body has to be a JSON object.")
    return Given(values)


def _wrong(name: str, value: Any, wanted: str) -> Invalid:
    return Invalid(
        f"Invalid value {str(value)[:SHOWN]!r} for parameter '{name}' supplied: It must be {wanted}.", field=name
    )


def _size(value: Any, limit: int) -> Invalid:
    shown = str(value)[:SHOWN]
    return Invalid(
        f"Invalid value \"{shown}\" for parameter 'max_results' supplied: It must be an integer from 1 to {limit}.",
        field="max_results",
    )
