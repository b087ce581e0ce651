"""What each facet of the model list may be set to, and how many models that would leave."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from django.db.models import Count, F, QuerySet, Value
from django.db.models.functions import Length

from registry import listing
from registry.listing import NONE, ModelQuestion
from registry.models import Consumer, Deployment, Endpoint, Feature, RegisteredModel, Tag, Viewer

TAG_LENGTH = 40  # characters of a value that still reads like a word
SHOWN = 12  # values of one facet, the most frequent first
_OWN = ("team", "owner", "lifecycle", "risk", "task")  # facets that are a column of the model
RELATED = ("environment", "strategy", "source", "consumer", "tag")  # facets of what hangs on the model
LABELS = {
    "team": "Team",
    "lifecycle": "State",
    "risk": "Risk",
    "readiness_lt": "Readiness",
    "owner": "Owner",
    "task": "Task",
    "environment": "Served in",
    "strategy": "Serves as",
    "source": "Fed by",
    "consumer": "Used by",
    "tag": "Tag",
}
_WORDS: dict[str, Mapping[str, str]] = {
    "lifecycle": dict(RegisteredModel.Lifecycle.choices),
    "risk": dict(RegisteredModel.Risk.choices),
    "task": dict(RegisteredModel.Task.choices),
    "strategy": dict(Deployment.Strategy.choices) | {"never": "Never activated"},
}
READINESS_STEPS = (("0.5", "under 50 %"), ("0.8", "under 80 %"), ("1", "not complete"))


@dataclass(frozen=True, slots=True)
class Option:
    """One value a facet may have: what stands in the address, its word, and the number of models."""

    value: str
    word: str
    count: int

    @property
    def pair(self) -> tuple[str, str]:
        """What the facet component takes: the value, and the word with its number."""
        return self.value, f"{self.word} {self.count}"


def own_options(question: ModelQuestion, viewer: Viewer) -> dict[str, list[Option]]:
    """The values of the facets that are columns of the model, and steps of readiness, with their numbers; one query.

    Numbers of a facet count what the other filters leave, so that choosing another value of it shows as many.
    """
    return _with_words(_own(question, viewer), question)


def related_options(question: ModelQuestion, viewer: Viewer) -> dict[str, list[Option]]:
    """The same for what hangs on the models: environments, strategies, sources, consumers, tags; one query.

    It reads many more rows than the list itself, so the page asks for it apart.
    """
    return _with_words(_related(question, viewer), question)


def _with_words(counted: Mapping[str, Counter[tuple[str, str]]], question: ModelQuestion) -> dict[str, list[Option]]:
    return {name: _ranked(name, found, question.facets.get(name, "")) for name, found in counted.items()}


def _own(question: ModelQuestion, viewer: Viewer) -> dict[str, Counter[tuple[str, str]]]:
    """Counts of the columns; filters on these columns are applied here, all but a facet's own.

    One plain read and counting here is faster than a grouping by all columns, which leaves almost as many rows.
    """
    names = (*_OWN, "readiness_lt")
    columns = ("team__slug", "owner__username", "lifecycle", "risk", "task", "readiness_share", "team__name")
    lifted = listing.fitting(question.without(names), viewer).order_by()
    rows = list(lifted.values_list(*columns))
    chosen = {i: _test(name, question.facets[name]) for i, name in enumerate(names) if name in question.facets}
    found = [Counter(map(itemgetter(i), _passing(rows, chosen, but=i))) for i in range(len(names))]
    teams = {row[0]: row[-1] for row in rows}
    counted = {name: Counter({_said(value): n for value, n in found[i].items()}) for i, name in enumerate(_OWN)}
    counted["team"] = Counter({(slug, teams[slug]): n for slug, n in found[0].items()})
    shares = found[-1].items()
    steps = {step: sum(n for share, n in shares if _is_under(share, float(step[0]))) for step in READINESS_STEPS}
    return counted | {"readiness_lt": +Counter(steps)}  # without those that leave nothing


def _passing(rows: list[Any], chosen: Mapping[int, Callable[[Any], bool]], *, but: int) -> list[Any]:
    """The rows that every test but one lets pass."""
    for i, fits in chosen.items():
        if i != but:
            rows = [row for row in rows if fits(row[i])]
    return rows


def _test(name: str, wanted: str) -> Callable[[Any], bool]:
    """Whether a value of the grouping is what the filter asks for."""
    if name == "readiness_lt":
        limit = float(wanted)
        return lambda share: _is_under(share, limit)
    return lambda value: (value or NONE) == wanted


def _is_under(share: float | None, limit: float) -> bool:
    """Whether a model is less ready than that; one that was not measured is."""
    return share is None or share < limit


def _said(value: str | None) -> tuple[str, str]:
    return (value, value) if value else (NONE, "Nobody" if value is None else "Not said")


def _related(question: ModelQuestion, viewer: Viewer) -> dict[str, Counter[tuple[str, str]]]:
    """Counts of what hangs on the models, from one union; each part lifts its own filter."""
    first, *others = (_part(name, question, viewer) for name in RELATED)
    found: dict[str, Counter[tuple[str, str]]] = {name: Counter() for name in RELATED}
    for name, value, word, n in first.union(*others, all=True):
        pair = (f"{value}:{word}", f"{value}: {word}") if name == "tag" else (value or "never", word or "never")
        found[name][pair] = n
    return found


def _part(name: str, question: ModelQuestion, viewer: Viewer) -> Any:
    rows, model, value, word = _PARTS[name]
    models = listing.fitting(question.without([name]), viewer).order_by()
    fitting = rows.filter(**{f"{model}__in": models.values("pk")}).order_by()
    return fitting.values_list(Value(name), F(value), F(word)).annotate(n=Count(model, distinct=True))


_PARTS: dict[str, tuple[QuerySet[Any], str, str, str]] = {
    "environment": (Endpoint.objects.active(), "model", "environment_id", "environment__name"),
    "strategy": (
        Endpoint.objects.active(),
        "model",
        "pointer__deployment__strategy",
        "pointer__deployment__strategy",
    ),
    "source": (Feature.objects.current().exclude(source=None), "model", "source__slug", "source__name"),
    "consumer": (Consumer.objects.active().filter(endpoint__retired_at=None), "endpoint__model", "name", "name"),
    "tag": (
        Tag.objects.of_models().alias(length=Length("value")).filter(length__gte=1, length__lte=TAG_LENGTH),
        "model",
        "key",
        "value",
    ),
}


def _ranked(name: str, counted: Counter[tuple[str, str]], chosen: str) -> list[Option]:
    """The most frequent values, in the order of their words; what is chosen is always among them."""
    words = _WORDS.get(name, {})
    found = [Option(value, words.get(value, word), n) for (value, word), n in counted.most_common()]
    shown = found[:SHOWN] + [option for option in found[SHOWN:] if option.value == chosen]
    if chosen and chosen not in {option.value for option in shown}:
        shown.append(Option(chosen, words.get(chosen, chosen), 0))
    order = [step for step, _ in READINESS_STEPS] if name == "readiness_lt" else list(words)
    place = {value: i for i, value in enumerate(order)}
    return sorted(shown, key=lambda option: (place.get(option.value, 0), option.value == NONE, option.word.casefold()))
