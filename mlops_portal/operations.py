"""Jobs as people see them: which ones, and who may repeat or withdraw one."""

from datetime import datetime

from django.db import transaction

from mlops_portal.jobs import queue
from mlops_portal.jobs.models import Job
from mlops_portal.jobs.models.job import JobQuerySet
from mlops_portal.kit.ruling import Ruling, not_now
from registry import audit, permissions
from registry.models import Team, User
from registry.permissions import Permission

TITLES = {
    "monitoring.compact": "Store traffic",
    "monitoring.consolidate": "Join the files of a day",
    "monitoring.match_parked": "Match early outcomes",
    "monitoring.load_reference": "Load reference data",
    "monitoring.reprofile": "Profile anew",
    "monitoring.execute_run": "Measure a window",
    "monitoring.expire": "Delete expired traffic",
    "monitoring.tidy": "Tidy up files",
    "monitoring.backfill": "Bring in history",
    "registry.deliver_message": "Deliver a message",
    "portal.measure_readiness": "Measure readiness",
    "registry.anchor_audit": "Anchor the audit trail",
}


def title(kind: str) -> str:
    """The kind of a job in words."""
    return TITLES.get(kind, kind)


def visible_jobs(user: User) -> JobQuerySet:
    """Jobs of the person's teams; admins and auditors see all, also those that belong to no team."""
    if user.sees_all_teams:
        return Job.objects.all()
    return Job.objects.filter(team__in=Team.objects.visible_to(user).values("pk"))


def may_run_again(user: User, job: Job) -> Ruling:
    """Whether the person may have a quarantined job run again."""
    ruling = _may_operate(user, job)
    if ruling and job.state != Job.State.QUARANTINED:
        return not_now("Only a quarantined job can be run again.")
    return ruling


def may_cancel(user: User, job: Job) -> Ruling:
    """Whether the person may withdraw a job that has not begun."""
    ruling = _may_operate(user, job)
    if ruling and job.state not in (Job.State.QUEUED, Job.State.QUARANTINED):
        return not_now("Only a job that waits or is quarantined can be cancelled.")
    return ruling


@transaction.atomic
def run_again(job: Job, *, by: User, now: datetime) -> None:
    """Give a quarantined job all its attempts again.

    Raises Refused without the right, Conflict if it is not quarantined or the same work waits elsewhere.
    """
    may_run_again(by, job).require()
    queue.retry_now(job, by)
    audit.record("job.run_again", job, by=by, now=now, team=_team(job))


@transaction.atomic
def cancel(job: Job, *, by: User, now: datetime) -> None:
    """Withdraw a waiting or quarantined job.

    Raises Refused without the right, Conflict if a worker has begun it or it is over.
    """
    may_cancel(by, job).require()
    queue.cancel(job, by)
    audit.record("job.cancelled", job, by=by, now=now, team=_team(job))


def _may_operate(user: User, job: Job) -> Ruling:
    return permissions.ruling(user, Permission.MONITOR_EDIT, _team(job))


def _team(job: Job) -> Team | None:
    return Team.objects.filter(pk=job.team).first() if job.team else None
