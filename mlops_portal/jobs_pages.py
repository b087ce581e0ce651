"""Pages of jobs: the list with its filters, one job with its progress and traceback."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.core import signing
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from mlops_portal import operations
from mlops_portal.jobs import limits
from mlops_portal.jobs.models import Job
from mlops_portal.jobs.models.job import JobQuerySet
from mlops_portal.kit import clock
from mlops_portal.kit.htmx import render_page
from registry.views.request import SignedInRequest

PAGE = 50
STOP_POLLING = 286
POLL_S, POLL_LATER_S, LATER_S = 2, 10, 60
CURSOR_SALT = "jobs.list"
FILTERS = ("state", "queue", "kind")


@require_safe
@login_required
def job_list(request: SignedInRequest) -> HttpResponse:
    visible = operations.visible_jobs(request.user)
    kinds = visible.order_by("kind").values_list("kind", flat=True).distinct()
    known = {"state": Job.State.values, "queue": Job.Queue.values, "kind": list(kinds)}
    jobs = list(_page(_filtered(visible, request, known), request))
    context = {
        "jobs": [(job, operations.title(job.kind)) for job in jobs[:PAGE]],
        "counts": visible.aggregate(**{state: Count("pk", filter=Q(state=state)) for state in _SHOWN_COUNTS}),
        "filtered": any(request.GET.get(name) for name in FILTERS),
        "states": Job.State.choices,
        "queues": Job.Queue.choices,
        "kinds": [(kind, operations.title(kind)) for kind in known["kind"]],
        "next_url": _url(request, cursor=_cursor(jobs[PAGE - 1])) if len(jobs) > PAGE else "",
        "previous_url": _url(request) if request.GET.get("cursor") else "",
        "here": request.get_full_path(),
    }
    return render_page(request, "portal/job_list.html", context, partials={"job-rows"})


@require_safe
@login_required
def job_detail(request: SignedInRequest, job_id: UUID) -> HttpResponse:
    job = get_object_or_404(operations.visible_jobs(request.user), pk=job_id)
    context = {**_shown(job), "may_retry": operations.may_run_again(request.user, job)}
    context["may_cancel"] = operations.may_cancel(request.user, job)
    if request.htmx.target != f"job-{job.pk}":
        return render(request, "portal/job_detail.html", context)
    status = STOP_POLLING if job.is_over else 200
    return render(request, "components/_job.html", context, status=status)


@require_POST
@login_required
def job_retry(request: SignedInRequest, job_id: UUID) -> HttpResponse:
    job = get_object_or_404(operations.visible_jobs(request.user), pk=job_id)
    operations.run_again(job, by=request.user, now=clock.now())
    return redirect("job-detail", job_id=job.pk)


@require_POST
@login_required
def job_cancel(request: SignedInRequest, job_id: UUID) -> HttpResponse:
    job = get_object_or_404(operations.visible_jobs(request.user), pk=job_id)
    operations.cancel(job, by=request.user, now=clock.now())
    return redirect("job-detail", job_id=job.pk)


_SHOWN_COUNTS = (Job.State.QUEUED, Job.State.RUNNING, Job.State.QUARANTINED)


def _filtered(jobs: JobQuerySet, request: HttpRequest, known: Mapping[str, Collection[str]]) -> JobQuerySet:
    """The jobs that the address asks for; a value that is not a known one finds nothing."""
    chosen = {name: request.GET[name] for name in FILTERS if request.GET.get(name)}
    if any(value not in known[name] for name, value in chosen.items()):
        return jobs.none()
    return jobs.filter(**chosen)


def _page(jobs: JobQuerySet, request: HttpRequest) -> JobQuerySet:
    """One page and one job more, newest first, from the signed cursor on; a forged one starts at the newest."""
    try:
        at, pk = signing.loads(request.GET.get("cursor", ""), salt=CURSOR_SALT)
    except signing.BadSignature:
        return jobs.order_by("-created_at", "-pk").defer("error_text")[: PAGE + 1]
    last_at = datetime.fromisoformat(at)
    older = Q(created_at__lt=last_at) | Q(created_at=last_at, pk__lt=UUID(pk))
    return jobs.filter(older).order_by("-created_at", "-pk").defer("error_text")[: PAGE + 1]


def _cursor(job: Job) -> str:
    return signing.dumps([job.created_at.isoformat(), str(job.pk)], salt=CURSOR_SALT)


def _url(request: HttpRequest, **more: str) -> str:
    kept = {name: request.GET[name] for name in FILTERS if request.GET.get(name)}
    return f"?{urlencode(kept | more)}"


def _shown(job: Job) -> dict[str, Any]:
    """What the progress of a job consists of; the remaining time is worth saying after ten seconds."""
    elapsed_s = _elapsed_s(job)
    share = job.progress_share
    is_running = job.state == Job.State.RUNNING
    remaining_s = elapsed_s * (1 - share) / share if is_running and share and elapsed_s and elapsed_s > 10 else None
    return {
        "job": job,
        "title": operations.title(job.kind),
        "done": job.progress_done,
        "total": job.progress_total,
        "unit": job.progress_unit,
        "elapsed_s": elapsed_s,
        "remaining_s": remaining_s,
        "max_attempts": job.max_attempts,
        "hard_limit_s": limits.HARD_S.get(job.queue),
        "poll_url": "" if job.is_over else reverse("job-detail", kwargs={"job_id": job.pk}),
        "poll_s": POLL_LATER_S if (elapsed_s or 0) > LATER_S else POLL_S,
    }


def _elapsed_s(job: Job) -> float | None:
    if job.started_at is None:
        return None
    end = job.finished_at if job.is_over and job.finished_at else clock.now()
    return max((end - job.started_at).total_seconds(), 0.0)
