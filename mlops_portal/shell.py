"""What the frame around every page shows: navigation with counts, who is signed in, whether work is done."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from django.http import HttpRequest

from mlops_portal.icons import NAVIGATION
from mlops_portal.jobs.models import Job, WorkerBeat
from mlops_portal.kit import clock
from monitoring.models import Alert
from registry.models import Membership, User

THEMES = ("light", "dark")
BEAT_IS_LATE = timedelta(seconds=120)  # the limit of the progress watchdog, mlops_portal.jobs.worker


@dataclass(frozen=True, slots=True)
class Section:
    """One entry of the navigation; `go` is the key after g, `pages` the view names it stands for."""

    icon: str
    label: str
    url_name: str
    pages: tuple[str, ...]
    go: str = ""
    heading: str = ""

    def __post_init__(self) -> None:
        if self.icon not in NAVIGATION:
            raise ValueError(f"no navigation icon {self.icon!r}")


SECTIONS = (
    Section("fleet", "Fleet", "home", ("home",), "f"),
    Section("alerts", "Alerts", "monitoring:alert-list", ("monitoring:alert-",), "a"),
    Section(
        "models",
        "Models",
        "registry:model-list",
        (
            "registry:model-",
            "registry:version-",
            "registry:feature-",
            "registry:manifest-",
            "registry:endpoint-create",
            "registry:alias-",
            "monitoring:model-",
            "monitoring:reference-",
        ),
        "m",
        heading="Inventory",
    ),
    Section("serving", "Endpoints", "registry:endpoint-list", ("registry:endpoint-",), "e"),
    Section("sources", "Sources", "registry:source-list", ("registry:source-",)),
    Section("consumers", "Consumers", "registry:consumer-list", ("registry:consumer-",)),
    Section("changes", "Changes", "registry:change-list", ("registry:change-",), "c"),
    Section(
        "teams",
        "Teams",
        "registry:team-list",
        ("registry:team-", "registry:key-", "registry:member-", "registry:webhook-", "registry:message-"),
    ),
    Section("audit", "Audit trail", "registry:audit-list", ("registry:audit-",)),
    Section("runs", "Monitor runs", "monitoring:run-list", ("monitoring:run-",), "n", heading="Measurement"),
    Section("jobs", "Jobs", "job-list", ("job-",), "j"),
)


@dataclass(frozen=True, slots=True)
class Work:
    """Whether a worker has been seen lately."""

    tone: str
    sentence: str
    seen_at: datetime | None


class Shell:
    """Answers of the frame, each asked from the database at most once and only if the template wants it."""

    def __init__(self, request: HttpRequest) -> None:
        self._request = request

    @property
    def sections(self) -> tuple[Section, ...]:
        return SECTIONS

    @cached_property
    def here(self) -> Section | None:
        """The section the page belongs to."""
        match = self._request.resolver_match
        name = match.view_name if match else ""
        return next((section for section in SECTIONS if name.startswith(section.pages)), None)

    @property
    def theme(self) -> str:
        """The look the person has chosen, or "" for that of the system."""
        chosen = self._request.COOKIES.get("theme", "")
        return chosen if chosen in THEMES else ""

    @property
    def keys_off(self) -> bool:
        return self._request.COOKIES.get("keys") == "off"

    @property
    def layout(self) -> str:
        """The template a message page extends: a fragment for htmx, a page without navigation for strangers."""
        if getattr(self._request, "htmx", False):
            return "components/_fragment.html"
        return "base.html" if self._user else "signed_out.html"

    @cached_property
    def open_alert_count(self) -> int:
        return Alert.objects.visible_to(self._user).open().count() if self._user else 0

    @cached_property
    def who(self) -> str:
        """The person's team and role, or how many teams."""
        if not self._user:
            return ""
        memberships = list(Membership.objects.filter(user=self._user).select_related("team")[:2])
        match memberships:
            case []:
                return self._user.get_username()
            case [only]:
                return f"{only.team.name} · {only.get_role_display().lower()}"
            case _:
                return f"{self._user.get_username()} · several teams"

    @cached_property
    def work(self) -> Work:
        """The line on the workers, from the newest beat of a main loop; during a long job that loop is silent."""
        workers = WorkerBeat.objects.exclude(worker=WorkerBeat.SWEEP).order_by("-loop_at")
        seen_at = workers.values_list("loop_at", flat=True).first()
        now = clock.now()
        if seen_at is None:
            return Work("silent", "No worker has run yet", None)
        if now - seen_at <= BEAT_IS_LATE:
            return Work("ok", "Worker ok", seen_at)
        if Job.objects.filter(state=Job.State.RUNNING, lease_until__gt=now).exists():
            return Work("ok", "Worker busy", seen_at)
        return Work("warn", "Worker silent since", seen_at)

    @cached_property
    def _user(self) -> User | None:
        """Who is signed in; None also before the sessions are known, as on some error pages."""
        user = getattr(self._request, "user", None)
        return user if isinstance(user, User) else None


def shell(request: HttpRequest) -> Mapping[str, Shell]:
    """The context processor: three queries where the frame is drawn, none elsewhere."""
    return {"shell": Shell(request)}
