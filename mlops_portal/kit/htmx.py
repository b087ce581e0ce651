"""One page, one template, named pieces: answers to htmx and to plain browsers."""

from collections.abc import Collection, Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.cache import patch_vary_headers
from django_htmx.http import trigger_client_event
from django_htmx.middleware import HtmxDetails


class HtmxRequest(HttpRequest):
    """A request that has passed the htmx middleware."""

    htmx: HtmxDetails
    user: Any  # a registry.models.User on pages that need a sign-in


def render_page(
    request: HtmxRequest,
    template: str,
    context: Mapping[str, Any],
    *,
    partials: Collection[str] = (),
    status: int = 200,
) -> HttpResponse:
    """The whole page, or the one named piece of it that htmx asks for.

    partials: names a client may ask for; a piece's name is its DOM id and the HX-Target.
    """
    target = request.htmx.target
    if target in partials and not request.htmx.boosted:  # client input chooses from our list
        template = f"{template}#{target}"
    response = render(request, template, dict(context), status=status)
    patch_vary_headers(response, ["HX-Request", "HX-Target", "HX-Boosted"])
    return response


def changed(request: HtmxRequest, *, event: str, back_to: str, **url_kwargs: Any) -> HttpResponse:
    """Tell the client that a change is done: 204 with the event to htmx, a redirect to a plain form."""
    if request.htmx:
        done = HttpResponse(status=204)
        trigger_client_event(done, event)
        return done
    answer: HttpResponse = redirect(back_to, **url_kwargs)
    return answer
