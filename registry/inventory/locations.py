"""Where an artefact lies: an inert text that the portal never fetches, checked so that clients may follow it."""

import re
from urllib.parse import unquote

from django.conf import settings

from registry.actors import Actor, KeyPrincipal
from registry.models import Alias, ModelVersion, RegisteredModel, User
from registry.rules import SHOWN, Checked

LIMIT = 2000
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*):")
_USER_AND_PASSWORD = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:/{0,2}[^/?#@]*:[^/?#]*@")
_OF_A_MODEL = re.compile(r"models:/+(?P<name>[^/@]+)(?:/(?P<version>[^/@]+)|@(?P<alias>[^/@]+))/?\Z")


def check_source(checked: Checked, field: str, value: str) -> str:
    """The text as it came; noted are schemes that are not taken, steps upwards in any spelling, and passwords."""
    checked.verbatim(field, value, limit=LIMIT, controls="")
    plain = _unquoted(value)
    if "\\" in plain or any(mark < " " for mark in plain):
        checked.refuse(field, "It holds a backslash or a control character, perhaps percent-encoded.", received=value)
    if ".." in re.split(r"[/?#;]", plain):
        checked.refuse(field, "It holds .. as a step of its path; write the path without it.", received=value)
    if _USER_AND_PASSWORD.match(plain):
        checked.refuse(field, "It holds a user and a password; leave them out, everybody in the team reads it.")
    scheme = _SCHEME.match(value)
    if scheme and scheme[1].lower() not in settings.PORTAL_SOURCE_SCHEMES:
        known = ", ".join(settings.PORTAL_SOURCE_SCHEMES)
        checked.refuse(field, f"The scheme {scheme[1][:SHOWN]} is none of {known}.", received=value)
    return value


def storage_of(checked: Checked, source: str, by: Actor) -> str:
    """Where the artefact itself lies: of `models:/<name>/<version>` where that version lies, else the source.

    A version that does not exist, or that the actor may not see, is noted. `models:/m-<id>`, a logged model of a
    tracking server, is not looked at.
    """
    reference = _OF_A_MODEL.match(source)
    if reference is None:
        return source
    origin = _origin(reference, by)
    if origin is None:
        missing = f"Model Version (name={reference['name'][:SHOWN]}, version={_asked(reference)[:SHOWN]}) not found"
        checked.refuse(
            "source", f"Unable to fetch model from model URI source artifact location '{source[:SHOWN]}'. {missing}"
        )
        return source
    return origin.storage_uri or origin.source


def _origin(reference: re.Match[str], by: Actor) -> ModelVersion | None:
    models = RegisteredModel.objects.live().filter(name=unquote(reference["name"]))
    if isinstance(by, User | KeyPrincipal):
        models = models.visible_to(by)
    versions = ModelVersion.objects.live().filter(model__in=models)
    if reference["alias"]:
        pointed = Alias.objects.open().filter(model__in=models, name=reference["alias"])
        return versions.filter(pk__in=pointed.values("version")).first()
    asked = reference["version"]
    if asked.lower() == "latest":
        return versions.order_by("-number").first()
    is_number = asked.isascii() and asked.isdecimal() and len(asked) <= 10
    narrowed = versions.filter(number=int(asked)) if is_number else versions.filter(stage__iexact=asked)
    return narrowed.order_by("-number").first()


def _asked(reference: re.Match[str]) -> str:
    return reference["version"] or reference["alias"]


def _unquoted(value: str) -> str:
    """The text without percent encoding, however often it was encoded."""
    while (plain := unquote(value)) != value:
        value = plain
    return value
