"""Shapes of what people type into monitoring's pages; rules live in the verbs."""

from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile

from mlops_portal.kit.errors import Invalid
from registry.models import ModelVersion, RegisteredModel

PARQUET_BYTES = 64 * 1024 * 1024
CSV_BYTES = 256 * 1024 * 1024
FORMATS = {".parquet": "parquet", ".pq": "parquet", ".csv": "csv"}


class ReferenceForm(forms.Form):
    """A reference file for one version."""

    version = forms.ModelChoiceField(ModelVersion.objects.none(), help_text="The version that was trained on it.")
    file = forms.FileField(
        help_text="CSV or Parquet with a column per feature; score, prediction and label where you have them."
    )
    name = forms.SlugField(max_length=64, initial="training", help_text="How people will call it.")
    primary = forms.BooleanField(
        required=False, initial=True, label="Measure drift against it", help_text="Freezes the bins of the version."
    )

    def __init__(self, *args: Any, model: RegisteredModel, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        versions = model.versions.filter(deleted_at=None).order_by("-number")
        choice = self.fields["version"]
        assert isinstance(choice, forms.ModelChoiceField)  # noqa: S101 (for the type checker)
        choice.queryset = versions
        choice.initial = versions.first()
        choice.empty_label = None
        self.fields["file"].widget.attrs["accept"] = ",".join(FORMATS)

    def clean_file(self) -> "UploadedFile[Any]":
        """Raises ValidationError naming the limit or the formats taken."""
        file: UploadedFile[Any] = self.cleaned_data["file"]
        kind = FORMATS.get(PurePath(file.name or "").suffix.lower())
        if kind is None:
            raise forms.ValidationError(f"“{file.name}” is neither .csv nor .parquet; save it as one of them.")
        limit = CSV_BYTES if kind == "csv" else PARQUET_BYTES
        if (file.size or 0) > limit:
            raise forms.ValidationError(
                f"The file has {(file.size or 0) / 2**20:,.0f} MiB; a {kind} upload may have {limit // 2**20}. "
                "Use `manage.py backfill --reference` for larger ones."
            )
        return file

    @property
    def file_format(self) -> str:
        """csv or parquet, by the file's name."""
        return FORMATS[PurePath(self.cleaned_data["file"].name).suffix.lower()]


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """What a person says with an acknowledgement; 0 hours: as long as its severity gives."""

    hours: int
    note: str


class AcknowledgeForm(forms.Form):
    """Who looks at an alert, for how long, and what they say."""

    hours = forms.TypedChoiceField(
        label="For",
        choices=[("", "as long as usual"), ("4", "4 hours"), ("24", "1 day"), ("72", "3 days"), ("168", "7 days")],
        coerce=int,
        empty_value=None,
        required=False,
        help_text="Usual: 24 h for a critical alert, else 72 h. Then it is open again, with one reminder.",
    )
    note = forms.CharField(
        label="Note",
        max_length=512,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "off", "placeholder": "asked the pipeline's owner"}),
    )

    def values(self) -> Acknowledgement:
        """The typed values. Raises Invalid with the first thing that is wrong."""
        if not self.is_valid():
            field, errors = next(iter(self.errors.items()))
            raise Invalid(str(errors[0]), field=field)
        return Acknowledgement(self.cleaned_data["hours"] or 0, self.cleaned_data["note"])
