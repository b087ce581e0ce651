"""Signing in and out, claiming an account, and one's own page."""

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login, logout, update_session_auth_hash
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from mlops_portal.kit import clock
from mlops_portal.kit.htmx import HtmxRequest
from registry import permissions
from registry import sign_in as signing
from registry.forms import obey, status
from registry.forms.account import (
    FirstAdministratorForm,
    LookForm,
    PasswordChangeForm,
    PasswordForm,
    SignInForm,
)
from registry.models import Membership, User
from registry.views.request import SignedInRequest

BACKEND = settings.AUTHENTICATION_BACKENDS[0]
YEAR_S = 365 * 24 * 3600


@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
@never_cache
def sign_in(request: HtmxRequest) -> HttpResponse:
    target = _next(request)
    if request.user.is_authenticated:
        return redirect(target)
    form = SignInForm(request.POST or None)
    if form.is_valid():
        values, now = form.cleaned_data, clock.now()
        user = obey(form, lambda: signing.sign_in(request, now=now, **values))
        if user is not None:
            _enter(request, user)
            return redirect(target)
    response = render(request, "registry/sign_in.html", {"form": form, "next": target}, status=status(form))
    if refusal := getattr(form, "refusal", None):
        response.headers.setdefault("Retry-After", str(refusal.retry_after_s or 0))
    return response


@require_POST
def sign_out(request: HtmxRequest) -> HttpResponse:
    logout(request)
    return redirect("sign-in")


@sensitive_post_parameters("password", "again")
@require_http_methods(["GET", "POST"])
@never_cache
def claim(request: HtmxRequest, token: str) -> HttpResponse:
    who = permissions.claimant(token)
    form = (PasswordForm if who.user else FirstAdministratorForm)(request.POST or None)
    if form.is_valid():
        values = {name: value for name, value in form.cleaned_data.items() if name != "again"}
        user = obey(form, lambda: permissions.claim_account(token, now=clock.now(), **values))
        if user is not None:
            _enter(request, user)
            return redirect("home")
    return render(request, "registry/claim.html", {"form": form, "who": who.user}, status=status(form))


@require_GET
@login_required
def me(request: SignedInRequest) -> HttpResponse:
    return _my_page(request, PasswordChangeForm())


@sensitive_post_parameters()
@require_POST
@login_required
def password_change(request: SignedInRequest) -> HttpResponse:
    form = PasswordChangeForm(request.POST)
    if form.is_valid():
        values = form.cleaned_data
        user = obey(
            form,
            lambda: permissions.change_password(
                request.user, old=values["old"], new=values["password"], now=clock.now()
            ),
        )
        if user is not None:
            update_session_auth_hash(request, user)
            messages.success(request, "Your password is changed. Every other session has ended.")
            return redirect("me")
    return _my_page(request, form)


@require_POST
@login_required
def look_change(request: SignedInRequest) -> HttpResponse:
    form = LookForm(request.POST)
    response = redirect("me")
    if form.is_valid():
        for name, usual in (("theme", "system"), ("keys", "on")):
            _keep(response, name, form.cleaned_data[name], usual)
    return response


def _my_page(request: SignedInRequest, form: PasswordChangeForm) -> HttpResponse:
    cookies = request.COOKIES
    look = LookForm(initial={"theme": cookies.get("theme", "system"), "keys": cookies.get("keys", "on")})
    memberships = Membership.objects.filter(user=request.user).select_related("team").order_by("team__name")
    context = {"form": form, "look": look, "memberships": memberships}
    return render(request, "registry/me.html", context, status=status(form))


def _enter(request: HtmxRequest, user: User) -> None:
    """Begin a new session; the key of the old one is worthless from here on."""
    login(request, user, backend=BACKEND)
    signing.note_success(user, now=clock.now())


def _next(request: HtmxRequest) -> str:
    """Where to go after signing in: an address of this portal, or the fleet."""
    target = request.POST.get("next", request.GET.get("next", ""))
    allowed = url_has_allowed_host_and_scheme(
        target, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return target if allowed else reverse(settings.LOGIN_REDIRECT_URL)


def _keep(response: HttpResponse, name: str, value: str, usual: str) -> None:
    """Remember a choice in a cookie, or forget it if it is the usual one."""
    if value == usual:
        response.delete_cookie(name, samesite="Lax")
        return
    secure = settings.SESSION_COOKIE_SECURE
    response.set_cookie(name, value, max_age=YEAR_S, secure=secure, httponly=True, samesite="Lax")
