"""Routes of API keys. No scope of a key allows them: a person issues, rotates and revokes keys."""

from typing import Any

from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from mlops_portal.kit import clock
from mlops_portal.kit.api import Cursor
from mlops_portal.kit.body import StrictSerializer, Text, Whole, Word
from mlops_portal.kit.errors import Invalid
from registry import permissions
from registry.api.base import InventoryView, body, caller, page, team_of
from registry.models import ApiKey, RegisteredModel, Role, Scope, Team, User
from registry.permissions import Permission, require_somewhere


class KeyDocument(serializers.Serializer[Any]):
    """A key for a program; its text is shown once, when it is issued."""

    id = serializers.CharField(source="key_id")
    team = serializers.CharField(source="team.slug")
    label = serializers.CharField()  # type: ignore[assignment]
    scopes = serializers.ListField(child=serializers.CharField())
    user = serializers.CharField(source="user.username", default=None, allow_null=True)
    role = serializers.CharField(allow_null=True)
    model = serializers.CharField(source="model.slug", default=None, allow_null=True)
    created_at = serializers.DateTimeField()
    created_by = serializers.CharField()
    expires_at = serializers.DateTimeField()
    last_used_at = serializers.DateTimeField(allow_null=True)
    revoked_at = serializers.DateTimeField(allow_null=True)
    replaces = serializers.CharField(source="replaces.key_id", default=None, allow_null=True)


class IssuedKeyDocument(KeyDocument):
    """A key with its text, which is shown now and never again."""

    key = serializers.CharField()


class KeyBody(StrictSerializer):
    """A key to issue: a person's (`user`), or one with a role of its own."""

    team = Text()
    label = Text()  # type: ignore[assignment]
    scopes = serializers.ListField(child=Word(Scope.choices), allow_empty=False)
    role = Word(Role.choices, required=False, allow_null=True)
    user = Text(required=False, allow_null=True, help_text="User name; the key then follows that person's rights.")
    model = Text(required=False, allow_null=True, help_text="Slug of the one model the key is bound to.")
    days = Whole(required=False)


class KeyList(InventoryView):
    """The keys."""

    parameters = ("team", *Cursor.parameters)

    @extend_schema(
        operation_id="keys_list",
        parameters=[OpenApiParameter("team", OpenApiTypes.STR)],
        responses=KeyDocument(many=True),
    )
    def get(self, request: Request) -> Response:
        """Keys of the teams whose keys the caller manages, newest first."""
        require_somewhere(caller(request), Permission.KEY_MANAGE)
        rows = ApiKey.objects.filter(team__in=_teams(request)).select_related("team", "user", "model", "replaces")
        if slug := request.query_params.get("team"):
            rows = rows.filter(team__slug=slug)
        return page(request, rows.order_by("-created_at", "-pk"), KeyDocument)

    @extend_schema(operation_id="keys_issue", request=KeyBody, responses={201: IssuedKeyDocument})
    def post(self, request: Request) -> Response:
        """Issue a key; the answer holds its text, which nobody can show again."""
        require_somewhere(caller(request), Permission.KEY_MANAGE)
        values = body(request, KeyBody)
        team = team_of(request, values.pop("team"))
        issued = permissions.issue_key(team, **_named(values, team), by=caller(request), now=clock.now())
        return _issued(*issued)


class KeyRotation(InventoryView):
    """A successor of a key."""

    @extend_schema(operation_id="keys_rotate", request=None, responses={201: IssuedKeyDocument})
    def post(self, request: Request, key_id: str) -> Response:
        """Issue a successor with the same rights; the old key dies after 24 hours."""
        return _issued(*permissions.rotate_key(_key(request, key_id), by=caller(request), now=clock.now()))


class KeyRevocation(InventoryView):
    """The end of a key."""

    @extend_schema(operation_id="keys_revoke", request=None, responses=KeyDocument)
    def post(self, request: Request, key_id: str) -> Response:
        """End the key at once."""
        key = permissions.revoke_key(_key(request, key_id), by=caller(request), now=clock.now())
        return Response(KeyDocument(key).data)


def _teams(request: Request) -> list[Team]:
    actor = caller(request)
    return [team for team in Team.objects.visible_to(actor) if permissions.has(actor, Permission.KEY_MANAGE, team)]


def _key(request: Request, key_id: str) -> ApiKey:
    rows = ApiKey.objects.visible_to(caller(request)).select_related("team", "user", "model", "replaces")
    return get_object_or_404(rows, key_id=key_id)


def _named(values: dict[str, Any], team: Team) -> dict[str, Any]:
    """The values with names replaced by what they name."""
    found = dict(values)
    if name := values.get("user"):
        found["user"] = User.objects.filter(username=name, memberships__team=team).first()
        if found["user"] is None:
            raise Invalid(f"{name[:64]!r} is not a member of {team.name}.", field="user")
    if slug := values.get("model"):
        found["model"] = RegisteredModel.objects.live().filter(team=team, slug=slug).first()
        if found["model"] is None:
            raise Invalid(f"{team.name} has no model {slug[:64]!r}.", field="model")
    return found


def _issued(key: ApiKey, text: str) -> Response:
    return Response(KeyDocument(key).data | {"key": text}, status=201)
