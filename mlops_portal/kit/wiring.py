"""Resolve dotted paths that settings name, where a lower package must run code of a higher one."""

from collections.abc import Callable
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any

from django.conf import settings
from django.utils.module_loading import import_string


@cache
def functions(setting: str) -> tuple[Callable[..., Any], ...]:
    """The callables that a settings list of dotted paths names, in its order.

    Raises ImportError if a path does not resolve.
    """
    return tuple(import_string(path) for path in getattr(settings, setting))


@cache
def table(setting: str) -> dict[str, Callable[..., Any]]:
    """One mapping made of all mappings that a settings list of dotted paths names.

    Raises ValueError if two of them hold the same key, ImportError if a path does not resolve.
    """
    merged: dict[str, Callable[..., Any]] = {}
    for path in getattr(settings, setting):
        part: dict[str, Callable[..., Any]] = import_string(path)
        if twice := merged.keys() & part.keys():
            raise ValueError(f"{setting}: {', '.join(sorted(twice))} stands in two tables")
        merged |= part
    return merged


@cache
def named(setting: str) -> dict[str, Callable[..., Any]]:
    """The callables of a settings mapping from name to dotted path."""
    return {name: import_string(path) for name, path in getattr(settings, setting).items()}


@cache
def late(module: str) -> ModuleType:
    """A module that stands on heavy libraries, imported at its first use, so that processes start without them."""
    return import_module(module)
