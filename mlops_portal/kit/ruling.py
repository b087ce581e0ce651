"""The answer to "may this user do this now?", with the sentence that explains a no."""

from dataclasses import dataclass

from mlops_portal.kit.errors import Conflict, DomainError, Refused


@dataclass(frozen=True, slots=True)
class Ruling:
    """Yes, or a no with its reason and the error that a forced attempt raises."""

    reason: str = ""
    error: type[DomainError] | None = None

    def __bool__(self) -> bool:
        return self.error is None

    def require(self) -> None:
        """Raise Refused or Conflict with the reason, unless the answer is yes."""
        if self.error:
            raise self.error(self.reason)


YES = Ruling()


def refused(reason: str) -> Ruling:
    """A no that this user cannot change: 403."""
    return Ruling(reason, Refused)


def not_now(reason: str) -> Ruling:
    """A no that the state of the thing gives, whoever asks: 409."""
    return Ruling(reason, Conflict)
