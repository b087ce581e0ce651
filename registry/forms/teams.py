"""Forms of teams, members and keys."""

from typing import Any

from django import forms

from registry.models import RegisteredModel, Role, Scope, Team


class TeamForm(forms.Form):
    """A team to make, or what describes one."""

    slug = forms.CharField(label="Slug", max_length=63, help_text="Such as risk; it never changes.")
    name = forms.CharField(label="Name", max_length=128)
    contact = forms.CharField(label="Contact", required=False, max_length=254, help_text="How others reach the team.")
    cost_centre = forms.CharField(label="Cost centre", required=False, max_length=64)

    def __init__(self, *args: Any, team: Team | None = None, **options: Any) -> None:
        super().__init__(*args, **options)
        del self.fields["slug" if team else "cost_centre"]


class MemberAddForm(forms.Form):
    """A person to take into the team."""

    username = forms.CharField(label="User name", max_length=64)
    role = forms.ChoiceField(label="Role", choices=Role.choices)


class MemberForm(forms.Form):
    """Role and duties of a member."""

    role = forms.ChoiceField(label="Role", choices=Role.choices)
    is_reviewer = forms.BooleanField(label="Reviewer", required=False)
    is_approver = forms.BooleanField(label="Approver", required=False)


class KeyForm(forms.Form):
    """A key to issue."""

    label = forms.CharField(label="What it is for", max_length=100, help_text="Such as scoring service, production.")
    scopes = forms.MultipleChoiceField(label="Scopes", choices=Scope.choices, widget=forms.CheckboxSelectMultiple)
    role = forms.ChoiceField(
        label="Role", choices=Role.choices, initial=Role.CONTRIBUTOR, help_text="The key never exceeds it."
    )
    model = forms.ModelChoiceField(
        queryset=RegisteredModel.objects.none(),
        to_field_name="slug",
        label="Only for",
        required=False,
        empty_label="Every model of the team",
    )
    days = forms.IntegerField(label="Valid for days", initial=90, help_text="1 to 365.")

    def __init__(self, *args: Any, team: Team, **options: Any) -> None:
        super().__init__(*args, **options)
        models = RegisteredModel.objects.live().filter(team=team).order_by("slug")
        self.fields["model"].queryset = models  # type: ignore[attr-defined]
