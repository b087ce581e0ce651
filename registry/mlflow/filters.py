"""The filter language of searches: one line of text becomes conditions of the database.

    filter := cmp (AND cmp)*      no OR, NOT or parentheses around clauses
    cmp    := ident op value      keywords and operators in any case

Time is linear in the text. Names come from a closed table, values are always parameters.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Exists, F, Lookup, OuterRef, Q, QuerySet
from django.db.models.functions import Length
from django.db.models.lookups import (
    Exact,
    GreaterThan,
    GreaterThanOrEqual,
    In,
    LessThan,
    LessThanOrEqual,
)

from mlops_portal.kit.errors import Invalid
from registry.mlflow.lookups import Beginning, ILike, Like, Unindexed, like_pattern
from registry.models import ModelVersion, RegisteredModel, Tag
from registry.models.tag import INDEXED

CLAUSES_LIMIT, LENGTH_LIMIT = 64, 8000
VALUES_LIMIT = 1000  # of one IN
FEW = 400  # rows that are looked up one by one
PROBES = 2  # of one filter
NUMBER_LIMIT = 2**31 - 1
SHOWN = 64
PROMPT = "mlflow.prompt.is_prompt"
TAGS = ("tag", "tags")
TEXT = ("=", "!=", "LIKE", "ILIKE")
TEXT_OR_LIST = (*TEXT, "IN", "NOT IN")
NUMBER = ("=", "!=", "<", "<=", ">", ">=")
_PATTERNS: dict[str, type[Like]] = {"LIKE": Like, "ILIKE": ILike}
_SUFFIXES = {  # operator -> look-up, and whether it is the opposite
    **{"=": ("", False), "!=": ("", True), "IN": ("__in", False), "NOT IN": ("__in", True)},
    **{"<": ("__lt", False), "<=": ("__lte", False), ">": ("__gt", False), ">=": ("__gte", False)},
}
_RANGES: "dict[str, type[Lookup[Any]]]" = {
    "<": LessThan,
    "<=": LessThanOrEqual,
    ">": GreaterThan,
    ">=": GreaterThanOrEqual,
}
_TOKEN = re.compile(
    r"""\s*(?:(?P<text>'(?:[^']|'')*'|"(?:[^"]|"")*"|`[^`]*`)|(?P<word>[A-Za-z_][\w.\-/]*)|(?P<number>[+-]?\d+(?![\w.]))"""
    r"""|(?P<op><=|>=|!=|=|<|>)|(?P<mark>[(),])|(?P<odd>\S))""",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Attribute:
    """What a name means: its column, and the operators it takes."""

    column: str
    operators: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Language:
    """The names of one search."""

    attributes: Mapping[str, Attribute]
    tag_owner: str  # the column of a tag that names what it hangs on
    tag_rows: Q  # the tags that hang on such things
    own_tags: Mapping[str, str]  # read-only tags that the portal itself answers: key -> column
    probes: bool = False  # whether there are so many rows that rare tags or texts are worth a query


@dataclass(frozen=True, slots=True)
class Clause:
    """One comparison as it was read."""

    name: str
    operator: str
    value: str | int | list[str]
    is_tag: bool = False


MODELS = Language(
    attributes={"name": Attribute("name", TEXT_OR_LIST)},
    tag_owner="model",
    tag_rows=Q(version=None),
    own_tags={
        "portal.team": "team__slug",
        "portal.risk": "risk",
        "portal.lifecycle": "lifecycle",
        "portal.owner": "owner__username",
    },
)
VERSIONS = Language(
    attributes={
        "name": Attribute("model__name", TEXT_OR_LIST),
        "run_id": Attribute("run_id", TEXT_OR_LIST),
        "source_path": Attribute("source", TEXT),
        "version_number": Attribute("number", NUMBER),
    },
    tag_owner="version",
    tag_rows=Q(version__isnull=False),
    own_tags={},
    probes=True,
)


def condition(text: str, language: Language) -> Q:
    """The rows that fit the filter. Raises Invalid with the clause that cannot be read."""
    if len(text) > LENGTH_LIMIT:
        raise _invalid(f"Invalid filter: it has {len(text)} characters; {LENGTH_LIMIT} is the most.")
    found, by_tag, probes = Q(), dict[str, list[Clause]](), _Probes(PROBES if language.probes else 0)
    for clause in _read(text, language):
        if clause.is_tag:
            by_tag.setdefault(clause.name, []).append(clause)
        else:
            found &= _own(language.attributes[clause.name].column, clause, probes)
    for key, clauses in by_tag.items():
        found &= _tagged(key, clauses, language, probes)
    return found


class _Probes:
    """Questions asked before the search itself: which rows fit one clause, if they are few.

    Few are looked up one by one; of many, a page in order soon finds enough. A filter asks only some of them.
    """

    def __init__(self, left: int) -> None:
        self._left = left

    def few(self, rows: Callable[[], QuerySet[Any, Any]]) -> Q | None:
        """The rows by their keys; None if they are many, or enough has been asked."""
        if not self._left:
            return None
        self._left -= 1
        found = list(rows().order_by()[: FEW + 1])
        return Q(pk__in=found) if len(found) <= FEW else None


def _tagged(key: str, clauses: list[Clause], language: Language, probes: _Probes) -> Q:
    """All clauses about one tag: they have to hold for its one value."""
    if key == PROMPT:  # there are no prompts: whatever the client appends is compared with false
        return Q() if all(_holds("false", clause) for clause in clauses) else Q(pk__in=[])
    found = Q()
    if key in language.own_tags:
        column = language.own_tags[key]
        for clause in clauses:
            found &= _compared(column, clause) & Q(**{f"{column}__isnull": False})
        return found
    owners = Tag.objects.filter(key=key)
    for clause in clauses:
        owners = owners.filter(_compared("value", clause))
    owners = owners.filter(language.tag_rows)  # last: SQLite asks in this order, and the others need the index alone
    if language.probes:
        few = probes.few(lambda: owners.values_list(language.tag_owner, flat=True))
        if few is not None:
            return few
    elif any(clause.operator == "=" for clause in clauses):
        return Q(pk__in=owners.values(language.tag_owner))
    return Q(Exists(owners.filter(**{language.tag_owner: OuterRef("pk")})))


def _own(column: str, clause: Clause, probes: _Probes) -> Q:
    """A clause about a column of the thing itself."""
    found = _compared(column, clause)
    if column.startswith("model__"):
        return found
    if clause.operator in _PATTERNS:  # every row is looked at: without an index, which would lead from row to row
        living = ModelVersion.objects.alias(gone_at=Unindexed(F("deleted_at"))).filter(gone_at=None)
        return probes.few(lambda: living.filter(found).values_list("pk", flat=True)) or found
    if clause.operator in _RANGES:  # the index finds few numbers fast; many are met soon in the order of the page
        few = probes.few(lambda: ModelVersion.objects.live().filter(found).values_list("pk", flat=True))
        return few or Q(_RANGES[clause.operator](Unindexed(F(column)), clause.value))
    return found


def _compared(column: str, clause: Clause) -> Q:
    """One comparison with a column."""
    if clause.operator in _PATTERNS:
        return _like(column, _PATTERNS[clause.operator], str(clause.value))
    if clause.operator == "=" and column in {"value", "source"}:
        # Of these the index holds the beginnings. Were the whole compared bare, SQLite would put the constant into the
        # beginning as well, and then know no index for it.
        begins = Q(Exact(Beginning(F(column)), str(clause.value)[:INDEXED]))
        return begins & Q(Exact(Unindexed(F(column)), clause.value))
    suffix, is_negated = _SUFFIXES[clause.operator]
    found = Q(**{column + suffix: clause.value})
    return ~found if is_negated else found


def _like(column: str, pattern: type[Like], value: str) -> Q:
    """One comparison with a pattern."""
    found = Q(pattern(F(column), value))
    if column == "value":  # first what the index holds: the whole value, unless it is long
        is_long = Exact(Length(Beginning(F(column))), INDEXED)
        return (Q(pattern(Beginning(F(column)), value)) | Q(is_long)) & found
    if not column.startswith("model__"):
        return found
    # The models that fit, once, in place of a look at the model of every version.
    fitting = RegisteredModel.objects.live().filter(Q(pattern(F(column.removeprefix("model__")), value)))
    return Q(In(Unindexed(F("model_id")), fitting.values("pk").query))


def _holds(present: str, clause: Clause) -> bool:
    """The same comparison with a text that is known here."""
    wanted = str(clause.value)
    if clause.operator in {"=", "!="}:
        return (present == wanted) == (clause.operator == "=")
    return bool(like_pattern(wanted, any_case=clause.operator == "ILIKE").match(present))


class _Words:
    """The tokens of a filter, one after the other."""

    def __init__(self, text: str) -> None:
        self._found = [(match.lastgroup or "", match.group(match.lastgroup or 0)) for match in _TOKEN.finditer(text)]
        self._at = 0

    def peek(self) -> tuple[str, str]:
        """Kind and text of the next token; two empty texts at the end."""
        return self._found[self._at] if self._at < len(self._found) else ("", "")

    def take(self) -> tuple[str, str]:
        """The next token, which is passed."""
        token = self.peek()
        self._at += 1
        return token

    def takes(self, word: str) -> bool:
        """Whether the next token is this word or mark, in any case; if so it is passed."""
        kind, text = self.peek()
        if kind in {"word", "mark"} and text.upper() == word:
            self._at += 1
            return True
        return False


def _read(text: str, language: Language) -> Iterator[Clause]:
    words = _Words(text)
    if not words.peek()[0]:
        return
    for _ in range(CLAUSES_LIMIT):
        yield _clause(words, language)
        if not words.peek()[0]:
            return
        if not words.takes("AND"):
            raise _odd(words.peek()[1])
    raise _invalid(f"Invalid filter: it has more than {CLAUSES_LIMIT} clauses.")


def _clause(words: _Words, language: Language) -> Clause:
    kind, text = words.take()
    if kind == "text" and text[0] != "'":
        name, is_tag = _unquoted(text), False
    elif kind == "word" and text.upper() not in {"AND", "OR", "NOT"}:
        name, is_tag = _name(words, text)
    else:
        raise _odd(text)
    name = name.removeprefix("attribute.") if not is_tag else name
    operators = TEXT if is_tag else _attribute(name, language).operators
    operator = _operator(words, operators, name)
    return Clause(name, operator, _value(words, operator, name, is_number=operators is NUMBER), is_tag)


def _name(words: _Words, text: str) -> tuple[str, bool]:
    """A name and whether it is one of a tag: `name`, `attribute.name`, `tags.k`, or `tags.` and a quoted key."""
    head, dot, key = text.partition(".")
    if head not in TAGS or not dot:
        return text, False
    if not key and words.peek()[0] == "text":
        key = _unquoted(words.take()[1])
    if not key:
        raise _odd(text)
    return key, True


def _attribute(name: str, language: Language) -> Attribute:
    if name not in language.attributes:
        known = ", ".join(f"'{one}'" for one in language.attributes)
        raise _invalid(f"Invalid attribute key '{name[:SHOWN]}' specified. Valid keys are '{{{known}}}'")
    return language.attributes[name]


def _operator(words: _Words, operators: tuple[str, ...], name: str) -> str:
    kind, text = words.take()
    operator = text.upper()
    if operator == "NOT" and words.takes("IN"):
        operator = "NOT IN"
    if kind not in {"op", "word"}:
        raise _odd(name)
    if operator not in operators:
        raise _invalid(f"Invalid comparator '{operator[:SHOWN]}' for '{name[:SHOWN]}'; it takes {', '.join(operators)}")
    return operator


def _value(words: _Words, operator: str, name: str, *, is_number: bool) -> str | int | list[str]:
    if operator in {"IN", "NOT IN"}:
        return _list(words, name)
    kind, text = words.take()
    if is_number:
        if kind != "number" or abs(int(text)) > NUMBER_LIMIT:
            raise _invalid(f"Expected an integer for '{name}', found {text[:SHOWN]!r}")
        return int(text)
    if kind != "text" or text[0] == "`":
        raise _invalid(f"Expected a quoted string for '{name[:SHOWN]}', found {text[:SHOWN]!r}")
    return _unquoted(text)


def _list(words: _Words, name: str) -> list[str]:
    """('a', 'b')"""
    wrong = _invalid(f"Expected a list of quoted strings such as ('a', 'b') for '{name[:SHOWN]}'")
    if not words.takes("("):
        raise wrong
    values: list[str] = []
    while len(values) <= VALUES_LIMIT:
        kind, text = words.take()
        if kind != "text" or text[0] == "`":
            raise wrong
        values.append(_unquoted(text))
        if words.takes(")"):
            return values
        if not words.takes(","):
            raise wrong
    raise _invalid(f"The list for '{name[:SHOWN]}' has more than {VALUES_LIMIT} values")


def _unquoted(text: str) -> str:
    """The text within its quotes; a doubled quote stands for itself."""
    quote = text[0]
    return text[1:-1].replace(quote * 2, quote)


def _odd(text: str) -> Invalid:
    return _invalid(f"Invalid clause(s) in filter string: {text[:SHOWN]}")


def _invalid(sentence: str) -> Invalid:
    return Invalid(sentence, field="filter")
