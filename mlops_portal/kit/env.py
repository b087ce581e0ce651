"""Settings from the environment: every missing, malformed or unknown name is reported at once."""

import os
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured

PREFIX = "PORTAL_"


class Reader:
    """Reads typed values and collects what is wrong; `finish` raises once for all of it."""

    def __init__(self, dotenv: Path | None = None) -> None:
        if dotenv and dotenv.is_file():
            environ.Env.read_env(dotenv)
        self._env = environ.Env()
        self._problems: list[str] = []
        self._seen: set[str] = set()

    def text(self, name: str, default: str | None = None, *, choices: Collection[str] = ()) -> str:
        """The text of NAME, or of the file that NAME_FILE points to (for mounted secrets)."""
        value = self._raw(name, default)
        if choices and value not in choices:
            self.problem(f"{name}={value!r} is not one of {', '.join(sorted(choices))}")
        return value

    def flag(self, name: str, *, default: bool = False) -> bool:
        """True for 1, true, yes, on; false for 0, false, no, off; anything else is a problem."""
        value = self._raw(name, str(default)).lower()
        if value not in {"1", "true", "yes", "on", "0", "false", "no", "off"}:
            self.problem(f"{name}={value!r} is neither true nor false")
        return value in {"1", "true", "yes", "on"}

    def number(self, name: str, default: int, *, low: int, high: int) -> int:
        """A whole number within bounds."""
        value = self._raw(name, str(default))
        if not value.isdecimal() or not low <= int(value) <= high:
            self.problem(f"{name}={value!r} is not a whole number from {low} to {high}")
            return default
        return int(value)

    def names(self, name: str, default: str = "") -> list[str]:
        """A comma-separated list."""
        return [part.strip() for part in self._raw(name, default).split(",") if part.strip()]

    def ports(self, name: str, default: str) -> tuple[int, ...]:
        """A comma-separated list of TCP ports."""
        parts = self.names(name, default)
        if wrong := [part for part in parts if not part.isdecimal() or not 0 < int(part) < 65536]:
            self.problem(f"{name}: {', '.join(wrong)} is no port from 1 to 65535")
            return ()
        return tuple(int(part) for part in parts)

    def database(self, name: str, default: str) -> dict[str, Any]:
        """The Django database settings of a URL: sqlite or postgres."""
        config = self._parsed(name, default, self._env.db_url_config)
        engine = str(config.get("ENGINE", ""))
        if config and not engine.endswith(("sqlite3", "postgresql")):
            self.problem(f"{name} names {engine or 'no engine'}; sqlite:/// and postgres:// are supported")
        return config

    def email(self, name: str, default: str) -> dict[str, Any]:
        """The Django mail settings of a URL (consolemail://, smtp+tls://user:password@host:port)."""
        return self._parsed(name, default, self._env.email_url_config)

    @property
    def names_read(self) -> frozenset[str]:
        """Every name that was asked for."""
        return frozenset(self._seen)

    def problem(self, text: str) -> None:
        """Note something wrong with the environment."""
        self._problems.append(text)

    def finish(self) -> None:
        """Raise ImproperlyConfigured with every problem, one a line, if there is any."""
        for name in sorted(os.environ):
            if name.startswith(PREFIX) and name.removesuffix("_FILE") not in self._seen:
                self.problem(f"{name} is not a setting of the portal")
        if self._problems:
            raise ImproperlyConfigured("The environment has to be corrected:\n  " + "\n  ".join(self._problems))

    def _raw(self, name: str, default: str | None) -> str:
        self._seen.add(name)
        path = os.environ.get(f"{name}_FILE")
        if path:
            try:
                return Path(path).read_text(encoding="utf-8").strip()
            except OSError as error:
                self.problem(f"{name}_FILE={path!r} cannot be read: {error.strerror}")
                return default or ""
        value = os.environ.get(name, default)
        if value is None:
            self.problem(f"{name} is missing")
            return ""
        return value

    def _parsed(self, name: str, default: str, parse: Callable[[str], Any]) -> dict[str, Any]:
        try:
            return dict(parse(self._raw(name, default)))
        except (ValueError, KeyError, ImproperlyConfigured) as error:
            self.problem(f"{name} is malformed: {error}")
            return {}
