"""Routes of revisions: their history, and activating the next one."""

from collections.abc import Mapping
from typing import Any

from django.http import Http404
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from mlops_portal.kit import clock
from mlops_portal.kit.api import Cursor
from mlops_portal.kit.body import StrictSerializer, Text, Whole, Word
from mlops_portal.kit.errors import Invalid
from registry import deployments
from registry.api.base import InventoryView, body, caller, may_write, page
from registry.deployments import Arm, Authority, Plan
from registry.models import Deployment, DeploymentArm, Endpoint
from registry.permissions import Permission

NUMBER_LIMIT = 2**31 - 1  # what the column holds


class ArmDocument(serializers.Serializer[Any]):
    """One arm of a revision."""

    label = serializers.CharField()  # type: ignore[assignment]
    role = serializers.ChoiceField(DeploymentArm.Role.choices)
    version = serializers.IntegerField()
    weight_bps = serializers.IntegerField()
    mirror_bps = serializers.IntegerField()


class RevisionDocument(serializers.Serializer[Any]):
    """A revision: what an endpoint served from its `created_at` until that of the next one."""

    endpoint = serializers.CharField(source="endpoint.slug")
    revision = serializers.IntegerField()
    sha256 = serializers.CharField()
    strategy = serializers.ChoiceField(Deployment.Strategy.choices)
    arms = serializers.SerializerMethodField()
    decision_rule = serializers.SerializerMethodField()
    fallback = serializers.SerializerMethodField()
    base = serializers.IntegerField(source="base_revision")
    copied_from = serializers.IntegerField(allow_null=True)
    reason = serializers.CharField()
    decision_id = serializers.UUIDField(allow_null=True)
    created_at = serializers.DateTimeField()
    created_by = serializers.CharField()

    @extend_schema_field(ArmDocument(many=True))
    def get_arms(self, deployment: Deployment) -> list[dict[str, Any]]:
        """The arms, in their order."""
        return [dict(ArmDocument(arm).data) for arm in Plan.of(deployment).arms]

    def get_decision_rule(self, deployment: Deployment) -> dict[str, Any]:
        """The rule as it is served."""
        return dict(Plan.of(deployment).decision_rule)

    def get_fallback(self, deployment: Deployment) -> dict[str, Any]:
        """The fallback as it is served."""
        return dict(Plan.of(deployment).fallback)


class ArmBody(StrictSerializer):
    """One arm of a plan; shares in basis points, 10,000 in all."""

    label = Text()  # type: ignore[assignment]
    role = Word(DeploymentArm.Role.choices)
    version = Whole()
    weight_bps = Whole(required=False)
    mirror_bps = Whole(required=False)


class RevisionBody(StrictSerializer):
    """A plan to serve, or the number of a revision whose plan is to be served again."""

    base = Whole(help_text="The revision you have seen; 0 before the first.")
    arms = ArmBody(many=True, required=False, help_text="Without an arm the endpoint is off.")
    decision_rule = serializers.DictField(required=False)
    fallback = serializers.DictField(required=False)
    roll_back_to = Whole(required=False)
    reason = Text(required=False)


class RevisionList(InventoryView):
    """The revisions of an endpoint."""

    parameters = Cursor.parameters

    @extend_schema(operation_id="revisions_list", responses=RevisionDocument(many=True))
    def get(self, request: Request, slug: str) -> Response:
        """Revisions, newest first."""
        endpoint = found_endpoint(request, slug)
        rows = Deployment.objects.filter(endpoint=endpoint).select_related("endpoint").order_by("-revision")
        return page(request, rows, RevisionDocument)

    @extend_schema(operation_id="revisions_activate", request=RevisionBody, responses={201: RevisionDocument})
    def post(self, request: Request, slug: str) -> Response:
        """Serve a plan as the next revision; of two callers with one `base` one wins, the other gets `base_moved`."""
        endpoint = found_endpoint(request, slug)
        may_write(request, endpoint.model, Permission.DEPLOYMENT_ACTIVATE)
        values = body(request, RevisionBody)
        common: dict[str, Any] = {
            "base": values["base"],
            "authority": Authority.of_person(caller(request)),
            "now": clock.now(),
        }
        reason = values.get("reason", "")
        if "roll_back_to" in values:
            _require_alone(values)
            made = deployments.roll_back(endpoint, to=values["roll_back_to"], reason=reason, **common)
        else:
            made = deployments.activate(endpoint, _plan(values), **common)
        return Response(RevisionDocument(made).data, status=201)


class RevisionDetail(InventoryView):
    """One revision."""

    @extend_schema(operation_id="revisions_read", responses=RevisionDocument)
    def get(self, request: Request, slug: str, revision: int) -> Response:
        """The revision with its plan."""
        endpoint = found_endpoint(request, slug)
        if revision > NUMBER_LIMIT:
            raise Http404
        rows = Deployment.objects.filter(endpoint=endpoint).select_related("endpoint")
        return Response(RevisionDocument(get_object_or_404(rows, revision=revision)).data)


def found_endpoint(request: Request, slug: str) -> Endpoint:
    """The endpoint, if the caller may see it."""
    visible = Endpoint.objects.visible_to(caller(request)).select_related("model__team", "environment")
    return get_object_or_404(visible, slug=slug)


def _plan(values: Mapping[str, Any]) -> Plan:
    if "arms" not in values:
        raise Invalid("Give the arms to serve (an empty list is off), or roll_back_to.", field="arms")
    given = {name: values[name] for name in ("decision_rule", "fallback", "reason") if name in values}
    return Plan(arms=tuple(Arm(**arm) for arm in values["arms"]), **given)


def _require_alone(values: Mapping[str, Any]) -> None:
    extra = sorted(values.keys() & {"arms", "decision_rule", "fallback"})
    if extra:
        raise Invalid(f"roll_back_to brings its own plan; leave out {', '.join(extra)}.", field=extra[0])
