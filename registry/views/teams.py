"""Pages of teams: who belongs to them, and their keys."""

from dataclasses import dataclass
from typing import Any

from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.decorators import login_required
from django.db.models import Count, Q
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from mlops_portal.kit import clock
from mlops_portal.kit.ruling import Ruling
from registry import permissions
from registry.forms import obey, status
from registry.forms.teams import KeyForm, MemberAddForm, MemberForm, TeamForm
from registry.models import ApiKey, Membership, Team, User
from registry.permissions import Permission
from registry.views.request import SignedInRequest

UNKNOWN_PERSON = "There is nobody of this name; an administrator invites people with: manage.py user create NAME."


@dataclass(frozen=True, slots=True)
class MemberRow:
    """One member with the form that changes them, and whether the person looking may."""

    membership: Membership
    form: MemberForm
    may_remove: Ruling


@require_safe
@login_required
def team_list(request: SignedInRequest) -> HttpResponse:
    live_models = Count("models", filter=Q(models__deleted_at=None), distinct=True)
    teams = Team.objects.visible_to(request.user).annotate(
        member_count=Count("memberships", distinct=True), model_count=live_models
    )
    context = {
        "teams": teams.order_by("name"),
        "may_create": permissions.ruling(request.user, Permission.TEAM_MANAGE, None),
    }
    return render(request, "registry/team_list.html", context)


@require_http_methods(["GET", "POST"])
@login_required
def team_create(request: SignedInRequest) -> HttpResponse:
    permissions.require(request.user, Permission.TEAM_MANAGE, None)
    form = TeamForm(request.POST or None)
    if form.is_valid():
        values, now = form.cleaned_data, clock.now()
        team = obey(form, lambda: permissions.create_team(**values, by=request.user, now=now))
        if team is not None:
            return redirect("registry:team-detail", team.slug)
    return render(request, "registry/team_edit.html", {"form": form}, status=status(form))


@require_http_methods(["GET", "POST"])
@login_required
def team_edit(request: SignedInRequest, slug: str) -> HttpResponse:
    team = _found(request, slug)
    permissions.require(request.user, Permission.MEMBER_MANAGE, team)
    initial = {name: getattr(team, name) for name in ("name", "contact", "cost_centre")}
    form = TeamForm(request.POST or None, team=team, initial=initial)
    if form.is_valid():
        values, now = form.cleaned_data, clock.now()
        if obey(form, lambda: permissions.edit_team(team, **values, by=request.user, now=now)):
            return redirect("registry:team-detail", slug)
    return render(request, "registry/team_edit.html", {"form": form, "team": team}, status=status(form))


@require_safe
@login_required
def team_detail(request: SignedInRequest, slug: str) -> HttpResponse:
    return _team_page(request, _found(request, slug))


@require_POST
@login_required
def member_add(request: SignedInRequest, slug: str) -> HttpResponse:
    team = _found(request, slug)
    permissions.require(request.user, Permission.MEMBER_MANAGE, team)
    form = MemberAddForm(request.POST, auto_id="member-%s")
    if form.is_valid():
        user = User.objects.filter(username=form.cleaned_data["username"].strip().lower(), is_active=True).first()
        role, now = form.cleaned_data["role"], clock.now()
        if user is None:
            form.add_error("username", UNKNOWN_PERSON)
        elif obey(form, lambda: permissions.add_member(team, user, role=role, by=request.user, now=now)):
            return redirect("registry:team-detail", slug)
    return _team_page(request, team, member_form=form)


@require_POST
@login_required
def member_change(request: SignedInRequest, slug: str, username: str) -> HttpResponse:
    membership = _membership(request, slug, username)
    permissions.require(request.user, Permission.MEMBER_MANAGE, membership.team)
    form = MemberForm(request.POST)
    if form.is_valid():
        permissions.change_member(membership, **form.cleaned_data, by=request.user, now=clock.now())
        _stay_signed_in(request, membership)
        return redirect("registry:team-detail", slug)
    return _team_page(request, membership.team)


@require_POST
@login_required
def member_remove(request: SignedInRequest, slug: str, username: str) -> HttpResponse:
    membership = _membership(request, slug, username)
    permissions.remove_member(membership, by=request.user, now=clock.now())
    _stay_signed_in(request, membership)
    if Team.objects.visible_to(request.user).filter(slug=slug).exists():
        return redirect("registry:team-detail", slug)
    return redirect("registry:team-list")


@require_POST
@login_required
def key_issue(request: SignedInRequest, slug: str) -> HttpResponse:
    team = _found(request, slug)
    permissions.require(request.user, Permission.KEY_MANAGE, team)
    form = KeyForm(request.POST, team=team, auto_id="key-%s")
    if form.is_valid():
        values, now = form.cleaned_data, clock.now()
        issued = obey(form, lambda: permissions.issue_key(team, **values, by=request.user, now=now))
        if issued is not None:
            return _team_page(request, team, issued=issued)
    return _team_page(request, team, key_form=form)


@require_POST
@login_required
def key_rotate(request: SignedInRequest, slug: str, key_id: str) -> HttpResponse:
    team = _found(request, slug)
    key = get_object_or_404(ApiKey.objects.select_related("team"), team=team, key_id=key_id)
    issued = permissions.rotate_key(key, by=request.user, now=clock.now())
    return _team_page(request, team, issued=issued)


@require_POST
@login_required
def key_revoke(request: SignedInRequest, slug: str, key_id: str) -> HttpResponse:
    key = get_object_or_404(ApiKey.objects.select_related("team"), team=_found(request, slug), key_id=key_id)
    permissions.revoke_key(key, by=request.user, now=clock.now())
    return redirect("registry:team-detail", slug)


def _found(request: SignedInRequest, slug: str) -> Team:
    return get_object_or_404(Team.objects.visible_to(request.user), slug=slug)


def _membership(request: SignedInRequest, slug: str, username: str) -> Membership:
    memberships = Membership.objects.select_related("team", "user")
    return get_object_or_404(memberships, team=_found(request, slug), user__username=username)


def _stay_signed_in(request: SignedInRequest, membership: Membership) -> None:
    """Whoever changes their own role keeps the session in which they do; every other one has ended."""
    if membership.user == request.user:
        update_session_auth_hash(request, membership.user)


def _team_page(
    request: SignedInRequest,
    team: Team,
    *,
    member_form: MemberAddForm | None = None,
    key_form: KeyForm | None = None,
    issued: tuple[ApiKey, str] | None = None,
) -> HttpResponse:
    may_keys = permissions.ruling(request.user, Permission.KEY_MANAGE, team)
    may_manage = permissions.ruling(request.user, Permission.MEMBER_MANAGE, team)
    context: dict[str, Any] = {
        "team": team,
        "members": _member_rows(team, may_manage),
        "may_manage": may_manage,
        "may_keys": may_keys,
        "may_webhooks": permissions.ruling(request.user, Permission.WEBHOOK_MANAGE, team),
        "keys": _keys(team) if may_keys else [],
        "member_form": member_form or MemberAddForm(auto_id="member-%s"),
        "key_form": key_form or KeyForm(team=team, auto_id="key-%s"),
        "issued": issued,
        "now": clock.now(),
    }
    answered = max((status(form) for form in (member_form, key_form) if form is not None), default=200)
    return render(request, "registry/team_detail.html", context, status=answered)


def _keys(team: Team) -> Any:
    """Usable keys first, then those that are over, newest first."""
    return ApiKey.objects.filter(team=team).select_related("user", "model").order_by("revoked_at", "-created_at")[:200]


def _member_rows(team: Team, manage: Ruling) -> list[MemberRow]:
    memberships = list(team.memberships.select_related("user", "team").order_by("user__username"))
    maintainers = sum(membership.role == "maintainer" for membership in memberships)
    return [
        MemberRow(membership, _member_form(membership), _may_remove(membership, manage, maintainers))
        for membership in memberships
    ]


def _may_remove(membership: Membership, manage: Ruling, maintainers: int) -> Ruling:
    """The ruling of `may_change_member`, without asking the database once per row."""
    return permissions.last_maintainer(membership, maintainers) if manage else manage


def _member_form(membership: Membership) -> MemberForm:
    initial = {name: getattr(membership, name) for name in ("role", "is_reviewer", "is_approver")}
    return MemberForm(initial=initial, auto_id=f"{membership.user.username}-%s")
