"""What the inventory's routes share."""

from typing import Any, cast

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from mlops_portal.kit.api import Cursor, only_parameters
from mlops_portal.kit.errors import Invalid
from registry.actors import KeyPrincipal
from registry.models import RegisteredModel, Team, User
from registry.permissions import Permission, require, require_view

IDEMPOTENCY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "pattern": "^[\\x21-\\x7e]{1,255}$"},
    OpenApiParameter.HEADER,
    required=True,
    description="New for each intent.",
)
IF_MATCH = OpenApiParameter(
    "If-Match",
    {"type": "string", "pattern": '^"[0-9]{1,9}"$'},
    OpenApiParameter.HEADER,
    required=True,
    description="The ETag that was read.",
)


class InventoryView(APIView):
    """What the routes below share: reading takes `inventory.view`, and parameters that are not named are refused."""

    parameters: tuple[str, ...] = ()
    pagination_class = Cursor  # of those that list, for the schema
    written_parameters: tuple[str, ...] = ()  # of the methods that write

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Check credentials, the right to read, and the names of the query parameters."""
        super().initial(request, *args, **kwargs)
        require_view(caller(request), Permission.INVENTORY_VIEW)
        if not hasattr(self, (request.method or "").lower()):
            return  # 405, whatever the parameters
        is_read = request.method in {"GET", "HEAD"}
        only_parameters(request._request, self.parameters if is_read else self.written_parameters)


def page(request: Request, rows: QuerySet[Any], document: type[Any]) -> Response:
    """One page of a list."""
    cursor = Cursor()
    found = cursor.paginate_queryset(rows, request)
    return cursor.get_paginated_response(document(found, many=True).data)


def body(request: Request, shape: type[Any]) -> dict[str, Any]:
    """The typed values of the body, or every fault of its shape."""
    read = shape(data=request.data)
    read.is_valid(raise_exception=True)
    values: dict[str, Any] = read.validated_data
    return values


def models_of(request: Request) -> QuerySet[RegisteredModel]:
    """The models the caller may see."""
    visible = RegisteredModel.objects.visible_to(caller(request)).live()
    return visible.select_related("team", "owner", "deputy")


def team_of(request: Request, slug: str) -> Team:
    """The team a body names; that of the key, if it names none. Raises Invalid for one the caller does not see."""
    actor = caller(request)
    if not slug and isinstance(actor, KeyPrincipal):
        return Team.objects.get(pk=actor.team_id)
    team = Team.objects.visible_to(actor).filter(slug=slug).first()
    if team is None:
        raise Invalid(f"The team {slug[:64]!r} does not exist." if slug else "Name the team.", field="team")
    return team


def may_write(request: Request, model: RegisteredModel, permission: Permission = Permission.INVENTORY_EDIT) -> None:
    """Refuse before the body is looked at; the verb asks again."""
    require(caller(request), permission, model.team)


def caller(request: Request) -> User | KeyPrincipal:
    """Who calls; every route has refused strangers before."""
    return cast("User | KeyPrincipal", request.user)
