"""Routes of the inventory as code: plan a manifest, apply it."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import parsers, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from mlops_portal.kit import clock
from mlops_portal.kit.api import StrictParser
from mlops_portal.kit.errors import Malformed, TooLarge, WrongMedia
from registry import manifest
from registry.api.base import InventoryView, caller
from registry.manifest import LIMIT_BYTES, Document, Manifest, Notes, Plan
from registry.permissions import Permission, require_somewhere

FILE = "body"  # what faults call the manifest
PRUNE = OpenApiParameter(
    "prune", OpenApiTypes.BOOL, description="Retire what carries the manifest's name and stands in it no more."
)
SEEN = OpenApiParameter(
    "seen", OpenApiTypes.STR, description="`sha256` of the plan that was shown; another plan is refused (409)."
)
BODIES = {"application/yaml": OpenApiTypes.STR, "application/json": OpenApiTypes.OBJECT}


class YamlParser(parsers.BaseParser):
    """The bytes of a manifest in YAML, at most 1 MiB."""

    media_type = "application/yaml"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        """The bytes as they came. Raises WrongMedia for another charset than UTF-8, TooLarge over the limit."""
        if "charset=" in (media_type or "").lower() and "utf-8" not in (media_type or "").lower():
            raise WrongMedia("Send the body in UTF-8.")
        body: bytes = stream.read(LIMIT_BYTES + 1)
        if len(body) > LIMIT_BYTES:
            raise TooLarge(f"A manifest may hold {LIMIT_BYTES} bytes; split it into several.")
        return body


class ChangeDocument(serializers.Serializer[Any]):
    """What happens to one object."""

    action = serializers.ChoiceField(["create", "change", "retire"])
    kind = serializers.ChoiceField(["source", "model", "endpoint", "consumer"])
    name = serializers.CharField(help_text="Its slug; of a consumer endpoint/name.")
    line = serializers.IntegerField(allow_null=True)
    fields = serializers.DictField(help_text="By key of the manifest: [before, after].")  # type: ignore[assignment]


class PlanDocument(serializers.Serializer[Any]):
    """All changes, in the order in which they are made."""

    changes = ChangeDocument(many=True)
    summary = serializers.CharField()
    sha256 = serializers.CharField(help_text="Names exactly these changes.")


class _ManifestView(InventoryView):
    """What both routes share."""

    parser_classes = (YamlParser, StrictParser)

    def manifest(self, request: Request) -> tuple[list[Manifest], Notes]:
        """The manifest of the body, and what is wrong with it so far."""
        require_somewhere(caller(request), Permission.INVENTORY_EDIT)
        notes, data = Notes(), request.data
        if isinstance(data, bytes):
            return [manifest.load_yaml(data, notes, FILE)], notes
        return [manifest.load(Document(FILE, data), notes)], notes


class ManifestPlan(_ManifestView):
    """What a manifest would change."""

    written_parameters = ("prune",)

    @extend_schema(operation_id="inventory_plan", parameters=[PRUNE], request=BODIES, responses={200: PlanDocument})
    def post(self, request: Request) -> Response:
        """What applying the manifest would change; nothing is written."""
        manifests, notes = self.manifest(request)
        found = manifest.plan(manifests, notes, prune=_prune(request), by=caller(request), now=clock.now())
        return _shown(found)


class ManifestApply(_ManifestView):
    """The inventory becomes what a manifest says."""

    written_parameters = ("prune", "seen")

    @extend_schema(
        operation_id="inventory_apply", parameters=[PRUNE, SEEN], request=BODIES, responses={200: PlanDocument}
    )
    def post(self, request: Request) -> Response:
        """Make the inventory what the manifest says, all of it or nothing; a second time changes nothing."""
        manifests, notes = self.manifest(request)
        seen = request.query_params.get("seen")
        options: dict[str, Any] = {"prune": _prune(request), "seen": seen, "by": caller(request), "now": clock.now()}
        return _shown(manifest.apply(manifests, notes, **options))


def _prune(request: Request) -> bool:
    given = request.query_params.get("prune", "false")
    if given not in {"true", "false"}:
        raise Malformed(f"prune={given[:64]!r} is neither true nor false.", code="malformed_parameter")
    return given == "true"


def _shown(plan: Plan) -> Response:
    changes = [
        {
            "action": each.action,
            "kind": each.kind,
            "name": each.name,
            "line": each.line,
            "fields": {key: list(pair) for key, pair in each.fields.items()},
        }
        for each in plan.changes
    ]
    return Response({"changes": changes, "summary": plan.summary(), "sha256": plan.sha256})
