"""What of an error may be stored and shown: where it happened, without the data it happened to."""

import re
import traceback

from django.conf import settings

TEXT_BYTES = 4096

_QUOTED = re.compile(r"""(['"`])(?:(?!\1).){1,}?\1""", re.DOTALL)
_CREDENTIALS = re.compile(r"//[^/\s@]+@")
_ADDRESS = re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+")
_LONG_NUMBER = re.compile(r"\d{6,}")
_DETAIL = re.compile(r"^(?:DETAIL|CONTEXT|HINT):.*", re.MULTILINE | re.DOTALL)


def describe(error: BaseException) -> str:
    """The traceback of the error and its causes, at most 4 KB: the innermost part is kept.

    Source lines stay; from messages, quoted values, addresses, long numbers, credentials in URLs and PostgreSQL's
    details (which quote whole rows) are removed.
    """
    parts = [_one(link) for link in reversed(list(_chain(error)))]
    return tail("\n".join(parts))


def message(text: str) -> str:
    """The text of an exception without what may be data."""
    text = _DETAIL.sub("", text)
    text = _CREDENTIALS.sub("//…@", text)
    text = _QUOTED.sub(r"\1…\1", text)
    return _LONG_NUMBER.sub("…", _ADDRESS.sub("…", text)).strip()


def tail(text: str) -> str:
    """The last 4 KB, in characters that both databases can store."""
    clean = text.replace("\x00", "\ufffd").encode("utf-8", "replace")
    return clean[-TEXT_BYTES:].decode("utf-8", "ignore")


def _chain(error: BaseException | None) -> list[BaseException]:
    links: list[BaseException] = []
    while error and error not in links and len(links) < 8:
        links.append(error)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return links


def _one(error: BaseException) -> str:
    frames = "".join(traceback.format_tb(error.__traceback__, limit=-12))
    place = frames.replace(f"{settings.BASE_DIR}/", "")
    return f"{place}{type(error).__qualname__}: {message(str(error))}"
