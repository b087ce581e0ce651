"""How far a history is on its way to being measured."""

from dataclasses import dataclass

from mlops_portal.jobs.models import Job
from monitoring.models import Run
from registry.models import RegisteredModel, Viewer

MANY = 12  # windows; fewer are a usual day, and over before anybody has read of them
_OPEN = (Run.State.PLANNED, Run.State.RUNNING)


@dataclass(frozen=True, slots=True)
class Progress:
    """What is still on its way: names of models whose history is being loaded, and windows that wait, of how many."""

    loading: tuple[str, ...]
    waiting: int
    total: int

    @property
    def done(self) -> int:
        """Windows measured already, of those monitors that have open ones."""
        return self.total - self.waiting


def progress(user: Viewer) -> Progress | None:
    """The history on its way for what the person may see; None on a usual day. Two or three queries."""
    models = RegisteredModel.objects.visible_to(user)
    jobs = Job.objects.filter(kind="monitoring.backfill", state=Job.State.RUNNING)
    ids = {key.partition(":")[0] for key in jobs.values_list("key", flat=True)}  # the key is model:digest
    loading = tuple(models.filter(pk__in=ids).order_by("name").values_list("name", flat=True)) if ids else ()
    waiting = Run.objects.filter(model__in=models, state__in=_OPEN)
    count = waiting.count()
    if count < MANY:
        return Progress(loading, 0, 0) if loading else None
    total = Run.objects.latest().filter(monitor__in=waiting.values("monitor")).count()
    return Progress(loading, count, total)
