"""Routes of teams."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from mlops_portal.kit.api import Cursor
from registry.api import documents
from registry.api.base import InventoryView, caller, page
from registry.models import Team


class TeamList(InventoryView):
    """The caller's teams."""

    parameters = Cursor.parameters

    @extend_schema(operation_id="teams_list", responses=documents.TeamDocument(many=True))
    def get(self, request: Request) -> Response:
        """Teams the caller belongs to."""
        return page(request, Team.objects.visible_to(caller(request)).order_by("slug"), documents.TeamDocument)
