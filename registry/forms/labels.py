"""Forms of tags and aliases."""

from django import forms


class TagForm(forms.Form):
    """A tag to set; an existing one gets the new value."""

    key = forms.CharField(label="Key", max_length=1000, strip=False, help_text="Such as domain.")
    value = forms.CharField(
        label="Value", required=False, strip=False, max_length=200_000, widget=forms.Textarea(attrs={"rows": 1})
    )


class TagRemoveForm(forms.Form):
    """A tag to take away."""

    key = forms.CharField(max_length=1000, strip=False)


class AliasForm(forms.Form):
    """A name, and the version it is to point at."""

    name = forms.CharField(label="Alias", max_length=1000, help_text="Such as champion; letters, digits, - and _.")
    version = forms.IntegerField(label="Version", min_value=1, max_value=2**31 - 1)
