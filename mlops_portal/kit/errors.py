"""Facts that stop a domain verb. Middleware and the API turn them into answers; no view picks a status."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a request.

    pointer: JSON pointer of the value ("/items/3/score"); received: at most 64 characters, None where privacy forbids;
    line: of the text that was sent, if it has lines.
    """

    code: str
    detail: str
    pointer: str = ""
    index: int | None = None
    received: str | None = None
    line: int | None = None


class DomainError(Exception):
    """A refusal with a sentence for people, a stable code for programs and an HTTP status."""

    status: ClassVar[int] = 400
    code: str = "bad_request"
    title: ClassVar[str] = "The request cannot be answered"

    def __init__(
        self,
        detail: str,
        *,
        code: str | None = None,
        field: str = "",
        faults: Sequence[Fault] = (),
        faults_total: int | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code or type(self).code
        self.field = field
        self.faults = tuple(faults)
        self.faults_total = len(self.faults) if faults_total is None else faults_total
        self.retry_after_s = retry_after_s

    def members(self) -> Mapping[str, object]:
        """What the problem document says beyond the common members, for programs that go on from it."""
        return {}


class Malformed(DomainError):
    """The request cannot be parsed, or names a field or parameter that does not exist."""

    status, code, title = 400, "malformed", "The request cannot be read"


class Unauthenticated(DomainError):
    """No valid credential."""

    status, code, title = 401, "unauthenticated", "A valid credential is needed"


class Refused(DomainError):
    """The right is missing."""

    status, code, title = 403, "refused", "You may not do this"


class NotThere(DomainError):
    """Absent, or another team's: both answer the same."""

    status, code, title = 404, "not_found", "There is nothing here"


class Conflict(DomainError):
    """The state moved, or does not allow the step."""

    status, code, title = 409, "conflict", "Something changed in between"


class Stale(DomainError):
    """`If-Match` names an older state."""

    status, code, title = 412, "precondition_failed", "It changed since you read it"


class TooLarge(DomainError):
    """A size limit, named with its value."""

    status, code, title = 413, "too_large", "The request is too large"


class WrongMedia(DomainError):
    """Media type, charset or encoding that is not taken here."""

    status, code, title = 415, "unsupported_media_type", "This media type is not taken here"


class Invalid(DomainError):
    """Understood, but not valid."""

    status, code, title = 422, "invalid", "Some values are not valid"


class Unconditional(DomainError):
    """`If-Match` is missing."""

    status, code, title = 428, "precondition_required", "If-Match is needed"


class TooMany(DomainError):
    """A quota is used up."""

    status, code, title = 429, "too_many_requests", "Too many requests"


class Overloaded(DomainError):
    """Overloaded, or the database is away."""

    status, code, title = 503, "overloaded", "The portal cannot take this now"


class DiskLow(DomainError):
    """Disk space is low; only ingestion answers this."""

    status, code, title = 507, "disk_low", "The portal is short of disk space"
