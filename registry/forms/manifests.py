"""The form of a manifest."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from registry.manifest import LIMIT_BYTES

ROWS = 18


class ManifestForm(forms.Form):
    """A manifest, pasted or as a file."""

    text = forms.CharField(
        label="Manifest",
        required=False,
        strip=False,
        widget=forms.Textarea(attrs={"rows": ROWS, "spellcheck": "false"}),
        help_text="YAML that starts with portal: inventory/v1.",
    )
    file = forms.FileField(
        label="or a file", required=False, help_text="Taken instead of the text above; at most 1 MB."
    )
    prune = forms.BooleanField(
        label="Retire what the manifest kept and describes no more", required=False, help_text="Nothing is deleted."
    )

    def clean_file(self) -> Any:
        """The file, unless it is larger than any manifest."""
        file = self.cleaned_data["file"]
        if file is not None and file.size > LIMIT_BYTES:
            raise ValidationError(f"It has {file.size} bytes; {LIMIT_BYTES} is the most. Split it into several.")
        return file

    def clean(self) -> dict[str, Any]:
        """The values, with the bytes of the manifest as `data`."""
        values = self.cleaned_data
        file = values.get("file")
        data = file.read() if file else values.get("text", "").encode()
        if not data.strip() and not self.errors:
            raise ValidationError("Paste a manifest or choose a file.")
        return values | {"data": data}
