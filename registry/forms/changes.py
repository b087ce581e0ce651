"""The form that reports a change: three fields, and details for whoever has them."""

from typing import Any

from django import forms
from django.db.models import QuerySet

from registry.models import ChangeEvent, Endpoint, RegisteredModel, Source, Team
from registry.upstream import Change

ORIGIN = "portal"


class ChangeForm(forms.Form):
    """What changed, of which kind, and when."""

    title = forms.CharField(label="What changed", max_length=256, help_text="Such as column renamed in orders.")
    kind = forms.ChoiceField(label="Kind", choices=ChangeEvent.Kind.choices)
    started_at = forms.DateTimeField(
        label="Since",
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M"],
        help_text="UTC; now, if it is left empty.",
    )
    team = forms.ModelChoiceField(queryset=Team.objects.none(), label="Team", to_field_name="slug", empty_label=None)
    model = forms.ModelChoiceField(
        queryset=RegisteredModel.objects.none(), label="Model", to_field_name="slug", required=False
    )
    endpoint = forms.ModelChoiceField(
        queryset=Endpoint.objects.none(), label="Endpoint", to_field_name="slug", required=False
    )
    source = forms.ModelChoiceField(
        queryset=Source.objects.none(), label="Source", to_field_name="slug", required=False
    )
    feature_name = forms.CharField(label="Feature or field", required=False, max_length=128)
    severity = forms.ChoiceField(label="Severity", choices=ChangeEvent.Severity.choices, required=False)
    actor = forms.CharField(label="Who changed it", required=False, max_length=128)
    url = forms.CharField(label="Where to read more", required=False, max_length=2048, widget=forms.URLInput)

    DETAILS = ("model", "endpoint", "source", "feature_name", "severity", "actor", "url")

    def __init__(self, *args: Any, teams: "QuerySet[Team]", **options: Any) -> None:
        super().__init__(*args, **options)
        rows: dict[str, QuerySet[Any]] = {
            "team": teams.order_by("name"),
            "model": RegisteredModel.objects.live().filter(team__in=teams).order_by("name"),
            "endpoint": Endpoint.objects.active().filter(model__team__in=teams).select_related("model"),
            "source": Source.objects.active().filter(team__in=teams).order_by("name"),
        }
        for name, known in rows.items():
            self.fields[name].queryset = known  # type: ignore[attr-defined]

    @property
    def first(self) -> list[forms.BoundField]:
        """The fields that everybody fills in; the team is among them only where there is a choice."""
        named = ["title", "kind", "started_at"]
        if self.fields["team"].queryset.count() > 1:  # type: ignore[attr-defined]
            named.append("team")
        return [self[name] for name in named]

    @property
    def details(self) -> list[forms.BoundField]:
        """The fields that help to find whom it affects."""
        return [self[name] for name in self.DETAILS]

    def change(self, now: Any) -> Change:
        """The change as `upstream.report_change` takes it."""
        values = {name: value for name, value in self.cleaned_data.items() if name != "team"}
        values["started_at"] = values["started_at"] or now
        values["severity"] = values["severity"] or ChangeEvent.Severity.INFO
        return Change(**values, origin=ORIGIN)
