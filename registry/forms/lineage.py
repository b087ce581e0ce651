"""Forms of sources and consumers: what feeds models, and who uses what they answer."""

from collections.abc import Sequence
from typing import Any

from django import forms

from registry.models import Consumer, Source, Team

NOT_SAID = ("", "Not said")
_PLAIN = (
    "name",
    "kind",
    "latency",
    "stability",
    "volatility",
    "contract_url",
    "schema_version",
    "description",
)
HOUR_S = 3600


class SourceForm(forms.Form):
    """A system whose data features are made of; on an edit, what of it may still change."""

    team = forms.ModelChoiceField(queryset=Team.objects.none(), to_field_name="slug", label="Team", empty_label=None)
    slug = forms.CharField(label="Slug", max_length=63, help_text="Such as bureau-feed; it never changes.")
    name = forms.CharField(label="Name", max_length=400)
    kind = forms.ChoiceField(label="Kind", choices=Source.Kind.choices)
    latency = forms.ChoiceField(
        label="Latency", choices=[NOT_SAID, *Source.Latency.choices], required=False, help_text="How the data comes."
    )
    lag_h = forms.FloatField(label="Expected lag, hours", required=False, help_text="How old the data usually are.")
    stability = forms.ChoiceField(
        label="Stability",
        choices=[NOT_SAID, *Source.Stability.choices],
        required=False,
        help_text="How often its shape changes.",
    )
    volatility = forms.ChoiceField(
        label="Volatility",
        choices=[NOT_SAID, *Source.Volatility.choices],
        required=False,
        help_text="How fast its values change.",
    )
    fed_by = forms.ModelChoiceField(
        queryset=Source.objects.none(),
        to_field_name="slug",
        label="Fed by",
        required=False,
        empty_label="Nothing that is noted",
        help_text="Another source of the team, from which this one gets its data.",
    )
    contract_url = forms.CharField(
        label="Contract", required=False, max_length=4000, help_text="Where its shape is agreed. Never fetched."
    )
    schema_version = forms.CharField(label="Version of its schema", required=False, max_length=400)
    description = forms.CharField(
        label="Description", required=False, widget=forms.Textarea(attrs={"rows": 3}), strip=False
    )
    base = forms.IntegerField(widget=forms.HiddenInput, required=False)

    def __init__(self, *args: Any, teams: Sequence[Team], source: Source | None = None, **options: Any) -> None:
        super().__init__(*args, **options)
        feeders = Source.objects.active().filter(team__in=teams).order_by("slug")
        if source is None:
            self.fields["team"].queryset = Team.objects.filter(pk__in=[team.pk for team in teams])  # type: ignore[attr-defined]
        else:
            feeders = feeders.exclude(pk=source.pk)
            del self.fields["team"], self.fields["slug"]
        self.fields["fed_by"].queryset = feeders  # type: ignore[attr-defined]

    @classmethod
    def initial_of(cls, source: Source) -> dict[str, Any]:
        """What the form of an existing source shows at first."""
        lag_h = None if source.expected_lag_s is None else source.expected_lag_s / HOUR_S
        values = {name: getattr(source, name) for name in _PLAIN}
        fed_by = source.fed_by.slug if source.fed_by else None
        return values | {"lag_h": lag_h, "fed_by": fed_by, "base": source.lock_version}

    def described(self) -> dict[str, Any]:
        """The values as `create_source` and `edit_source` take them."""
        values = {name: value for name, value in self.cleaned_data.items() if name not in ("base", "lag_h")}
        lag_h = self.cleaned_data["lag_h"]
        return values | {"expected_lag_s": None if lag_h is None else round(lag_h * HOUR_S)}


class ConsumerForm(forms.Form):
    """Somebody or something that depends on an endpoint."""

    name = forms.CharField(label="Name", max_length=400, help_text="Such as loan-desk.")
    kind = forms.ChoiceField(label="Kind", choices=Consumer.Kind.choices)
    use = forms.ChoiceField(label="What it does with the answer", choices=Consumer.Use.choices)
    output = forms.CharField(
        label="What of the answer it uses", required=False, max_length=400, help_text="Such as probability."
    )
    criticality = forms.ChoiceField(
        label="Criticality", choices=Consumer.Criticality.choices, initial=Consumer.Criticality.MEDIUM
    )
    contact = forms.CharField(label="Contact", required=False, max_length=400, help_text="Who is told of a change.")
    base = forms.IntegerField(widget=forms.HiddenInput, required=False)

    @classmethod
    def initial_of(cls, consumer: Consumer) -> dict[str, Any]:
        """What the form of an existing consumer shows at first."""
        names = [name for name in cls.base_fields if name != "base"]
        return {name: getattr(consumer, name) for name in names} | {"base": consumer.lock_version}

    def described(self) -> dict[str, Any]:
        """The values as `create_consumer` and `edit_consumer` take them."""
        return {name: value for name, value in self.cleaned_data.items() if name != "base"}
