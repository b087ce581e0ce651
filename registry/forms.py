"""Forms check shape and give typed values; rules live in the verbs, whose faults appear at the fields they name."""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

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
    """Put every fault of the error at the field it names, or above the form if it names none of them."""
    form.refusal = error  # type: ignore[attr-defined]
    for pointer, detail in _told(error):
        names = [name for name in pointer.split("/") if name in form.fields]
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


def _password(label: str, *, autocomplete: str, help_text: str = "") -> forms.CharField:
    widget = forms.PasswordInput(attrs={"autocomplete": autocomplete})
    return forms.CharField(label=label, widget=widget, strip=False, max_length=128, help_text=help_text)


LENGTHS = "12 to 128 characters; a sentence is easier to remember than signs."


class SignInForm(forms.Form):
    username = forms.CharField(
        label="User name", widget=forms.TextInput(attrs={"autocomplete": "username", "autocapitalize": "none"})
    )
    password = _password("Password", autocomplete="current-password")


class PasswordForm(forms.Form):
    """A new password, typed twice."""

    password = _password("New password", autocomplete="new-password", help_text=LENGTHS)
    again = _password("New password again", autocomplete="new-password")

    def clean(self) -> dict[str, Any]:
        """Both are the same."""
        values: dict[str, Any] = super().clean() or {}
        if values.get("password") != values.get("again") and "again" in values:
            self.add_error("again", "This differs from the password above; type it again.")
        return values


class FirstAdministratorForm(PasswordForm):
    """The person who sets up an empty portal."""

    username = forms.CharField(
        label="User name", max_length=64, help_text="Small letters, digits, dot, - and _, such as ann.lee."
    )
    email = forms.EmailField(label="E-mail address", max_length=254)
    field_order = ("username", "email", "password", "again")


class PasswordChangeForm(PasswordForm):
    old = _password("Present password", autocomplete="current-password")
    field_order = ("old", "password", "again")


class LookForm(forms.Form):
    """How pages look and whether single keys do something."""

    THEMES = (("system", "As the system"), ("light", "Light"), ("dark", "Dark"))
    KEYS = (("on", "On"), ("off", "Off"))

    theme = forms.ChoiceField(label="Theme", choices=THEMES, widget=forms.RadioSelect)
    keys = forms.ChoiceField(label="Keyboard shortcuts", choices=KEYS, widget=forms.RadioSelect)
