"""Forms of one's own account."""

from typing import Any

from django import forms


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
