"""Forms of webhooks."""

from typing import Any

from django import forms

from registry.models import Webhook
from registry.webhooks import KINDS, MLFLOW_EVENTS


class WebhookForm(forms.Form):
    """A webhook to register, or what may change about one."""

    name = forms.CharField(label="Name", max_length=128, help_text="Such as deploy hints.")
    url = forms.CharField(
        label="Address",
        max_length=2048,
        widget=forms.URLInput,
        help_text="https, of a name that leads to public addresses only. It is checked now and at every message.",
    )
    events = forms.MultipleChoiceField(label="What it gets", widget=forms.CheckboxSelectMultiple, required=False)
    description = forms.CharField(label="Description", required=False, widget=forms.Textarea(attrs={"rows": 2}))
    base = forms.IntegerField(widget=forms.HiddenInput, required=False)

    def __init__(self, *args: Any, webhook: Webhook | None = None, **options: Any) -> None:
        super().__init__(*args, **options)
        known = dict(KINDS)
        if webhook is not None and webhook.format == Webhook.Format.MLFLOW:
            known = {event: event for event in MLFLOW_EVENTS}
        if webhook is not None:
            known |= {event: event for event in webhook.events if event not in known}
        self.fields["events"].choices = list(known.items())  # type: ignore[attr-defined]

    @classmethod
    def initial_of(cls, webhook: Webhook) -> dict[str, Any]:
        """What the form of an existing webhook shows at first."""
        names = ("name", "url", "events", "description")
        return {name: getattr(webhook, name) for name in names} | {"base": webhook.lock_version}

    def described(self) -> dict[str, Any]:
        """The values as `webhooks.register` and `webhooks.edit` take them."""
        return {name: value for name, value in self.cleaned_data.items() if name != "base"}
