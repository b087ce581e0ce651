"""Forms check shape and give typed values; rules live in the verbs, whose faults appear at the fields they name."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from django import forms

from mlops_portal.kit.errors import Conflict, DomainError, Invalid, Stale, TooMany

Result = TypeVar("Result")
TOLD_IN_FORMS = (Invalid, Conflict, Stale, TooMany)


def obey(form: forms.Form, verb: Callable[[], Result]) -> Result | None:
    """Call the verb; what it refuses about the values is told at their fields, and None is given back.

    The form keeps the status the refusal has. A missing right is not told here: it passes through.
    """
    try:
        return verb()
    except TOLD_IN_FORMS as error:
        tell(form, error)
        return None


def tell(form: forms.Form, error: DomainError) -> None:
    """Put every fault of the error at the field it names, or above the form if it names none that is seen."""
    form.refusal = error  # type: ignore[attr-defined]
    shown = {name for name, field in form.fields.items() if not field.widget.is_hidden}
    for pointer, detail in _told(error):
        names = [name for name in pointer.split("/") if name in shown]
        form.add_error(names[-1] if names else None, detail)


def status(form: forms.Form) -> int:
    """The status of the page that shows the form: 200 fresh, that of the refusal, 422 for values without shape."""
    error: DomainError | None = getattr(form, "refusal", None)
    if error is not None:
        return error.status
    return 422 if form.is_bound and not form.is_valid() else 200


def _told(error: DomainError) -> Iterable[tuple[str, str]]:
    if error.faults:
        return [(fault.pointer, fault.detail) for fault in error.faults]
    return [(error.field, error.detail)]
