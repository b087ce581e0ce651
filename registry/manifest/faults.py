"""What is wrong with manifests: every fault with its file, line and field, all of them told together."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mlops_portal.kit.errors import Conflict, DomainError, Fault, Invalid

Path = tuple[str | int, ...]
NOT_YOURS = "not_your_manifest"
SHOWN = 64
KEPT = 1000  # faults that are told; the rest is counted
STEP_SHOWN = 256  # characters of one key in a pointer


@dataclass(frozen=True, slots=True)
class Document:
    """A manifest as it was sent: plain values, and the line at which each of them stands (none for JSON)."""

    file: str
    value: Any
    lines: Mapping[Path, int] = field(default_factory=dict)

    def line(self, path: Path) -> int | None:
        """The line of the value, or of what it stands in."""
        while path not in self.lines and path:
            path = path[:-1]
        return self.lines.get(path)


class Unfit(Invalid):
    """A manifest that cannot be applied; `told` says each fault as `file:line: field: what is wrong; remedy`."""

    told: tuple[str, ...] = ()


class NotApplicable(Conflict):
    """A manifest that the present state does not allow; `told` as of Unfit."""

    told: tuple[str, ...] = ()


class Notes:
    """Collects faults while manifests are read and applied."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._told: list[str] = []
        self._total = 0
        self._is_conflict = True

    def __len__(self) -> int:
        return self._total

    def note(
        self,
        document: Document,
        path: Path,
        detail: str,
        *,
        code: str = "invalid",
        is_conflict: bool = False,
        received: object = None,
    ) -> None:
        """Note one fault; the sentence names what is wrong and the remedy."""
        self._total += 1
        self._is_conflict &= is_conflict
        if self._total > KEPT:
            return
        shown = None if received is None else str(received)[:SHOWN]
        line = document.line(path)
        self._faults.append(Fault(code, detail, pointer(path), received=shown, line=line))
        where = f"{document.file}:{line}" if line else document.file
        self._told.append(f"{where}: {_dotted(path)}: {detail}" if path else f"{where}: {detail}")

    def note_error(self, document: Document, error: DomainError, places: Mapping[str, Path], path: Path) -> None:
        """Note what a verb refused.

        places: where the values of the verb stand; what it names besides them stands at `path`.
        """
        faults = error.faults or (Fault(error.code, error.detail, f"/{error.field}"),)
        for fault in faults:
            place = _place(fault.pointer, places, path)
            conflict = isinstance(error, Conflict)
            self.note(document, place, fault.detail, code=fault.code, is_conflict=conflict, received=fault.received)

    def raise_any(self) -> None:
        """Raise NotApplicable if all that was noted are conflicts with the present state, Unfit for other faults."""
        if not self._faults:
            return
        first, more = self._told[0], self._total - 1
        detail = f"{first} ({more} more)" if more else first
        told: dict[str, Any] = {"faults": self._faults, "faults_total": self._total}
        if self._is_conflict:
            error: Unfit | NotApplicable = NotApplicable(detail, code=self._faults[0].code, **told)
        else:
            error = Unfit(detail, **told)
        hidden = self._total - len(self._told)
        error.told = (*self._told, f"and {hidden} more") if hidden else tuple(self._told)
        raise error


def pointer(path: Path) -> str:
    """The path as a JSON pointer."""
    return "".join("/" + str(step)[:STEP_SHOWN].replace("~", "~0").replace("/", "~1") for step in path) or "/"


def _dotted(path: Path) -> str:
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step[:SHOWN]}" for step in path)
    return text.removeprefix(".")


def _place(pointer: str, places: Mapping[str, Path], path: Path) -> Path:
    """The longest beginning of the verb's pointer that the manifest knows a place for."""
    steps = pointer.strip("/").split("/")
    for length in range(len(steps), 0, -1):
        if (known := places.get("/".join(steps[:length]))) is not None:
            return known
    return path
