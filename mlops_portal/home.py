"""Pages that compose all apps."""

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import render

from mlops_portal.kit.htmx import HtmxRequest


@login_required
def fleet(request: HtmxRequest) -> HttpResponse:
    return render(request, "portal/fleet.html", {})


@login_required
def search(request: HtmxRequest) -> HttpResponse:
    return render(request, "portal/search.html", {})
