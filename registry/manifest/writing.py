"""YAML out: the part that `reading` takes, laid out for people."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from registry.manifest.reading import resolve

INLINE = 100  # characters up to which a list or object of plain values stands on one line
_PLAIN = re.compile(r"[A-Za-z0-9_/][A-Za-z0-9_./@ ()+-]*(?<! )\Z")


def write_yaml(value: Mapping[str, Any]) -> str:
    """The text of an object; reading it gives the object back."""
    return "\n".join(_object(value, "")) + "\n"


def _object(value: Mapping[str, Any], indent: str) -> Iterator[str]:
    for key, item in value.items():
        short = _short(item)
        if short is not None:
            yield f"{indent}{_text(key)}: {short}"
        elif isinstance(item, Mapping):
            yield f"{indent}{_text(key)}:"
            yield from _object(item, indent + "  ")
        else:
            yield f"{indent}{_text(key)}:"
            for each in item:
                yield from _item(each, indent + "  ")


def _item(value: Any, indent: str) -> Iterator[str]:
    short = _short(value)
    if short is not None:
        yield f"{indent}- {short}"
        return
    lines = _object(value, indent + "  ")
    yield f"{indent}- {next(lines).lstrip()}"
    yield from lines


def _short(value: Any) -> str | None:
    """The value on one line; None if it is an object or list that is too long for one."""
    if isinstance(value, Mapping):
        parts = [f"{_text(key)}: {_scalar(item)}" if _is_flat(item) else None for key, item in value.items()]
        return _fitting("{", parts, "}")
    if isinstance(value, list | tuple):
        return _fitting(
            "[", [_short(item) for item in value], "]", is_texts=not any(isinstance(x, Mapping) for x in value)
        )
    return _scalar(value)


def _is_flat(value: Any) -> bool:
    return not isinstance(value, Mapping) and not (
        isinstance(value, list | tuple) and any(isinstance(each, Mapping | list | tuple) for each in value)
    )


def _fitting(start: str, parts: list[str | None], end: str, *, is_texts: bool = True) -> str | None:
    known = [part for part in parts if part is not None]
    line = f"{start}{', '.join(known)}{end}"
    fits = is_texts and len(known) == len(parts) and len(line) <= INLINE
    return line if fits or not parts else None


def _scalar(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_scalar, value))}]"
    return _text(str(value))


def _text(value: str) -> str:
    """The text as a plain word where it means itself, else in double quotes."""
    if _PLAIN.match(value) and resolve(value) == value:
        return value
    return f'"{"".join(map(_escaped, value))}"'


def _escaped(mark: str) -> str:
    if mark in '"\\':
        return f"\\{mark}"
    if mark == "\n":
        return "\\n"
    if mark.isprintable() and mark != "\ufeff":
        return mark
    code = ord(mark)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
