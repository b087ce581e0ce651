"""Routes of the labels of models and versions: tags, and aliases that point at versions."""

from typing import Any

from django.http import Http404
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from mlops_portal.kit import clock
from mlops_portal.kit.body import StrictSerializer, Text, Whole
from mlops_portal.kit.errors import Invalid
from registry import governance, inventory
from registry.api.base import InventoryView, body, caller, may_write, models_of
from registry.api.versions import found_version
from registry.models import Alias, ModelVersion, RegisteredModel, Tag

NUMBER_LIMIT = 2**31 - 1  # what the column holds


class TagDocument(serializers.Serializer[Any]):
    """A tag."""

    key = serializers.CharField()
    value = serializers.CharField()


class TagsDocument(serializers.Serializer[Any]):
    """All tags of one thing, by key."""

    items = TagDocument(many=True)


class TagBody(StrictSerializer):
    """The value of a tag."""

    value = Text()


class AliasDocument(serializers.Serializer[Any]):
    """Where a name points, or pointed until `ended_at`."""

    name = serializers.CharField()
    version = serializers.IntegerField(source="version.number")
    set_at = serializers.DateTimeField()
    set_by = serializers.CharField()
    ended_at = serializers.DateTimeField(allow_null=True)
    deployment = serializers.UUIDField(source="deployment_id", allow_null=True)


class AliasesDocument(serializers.Serializer[Any]):
    """All aliases of a model, by name."""

    items = AliasDocument(many=True)


class AliasDetailDocument(AliasDocument):
    """An alias with where it pointed before, newest first."""

    history = AliasDocument(many=True)


class AliasBody(StrictSerializer):
    """The version an alias is to point at."""

    version = Whole()


class ModelTags(InventoryView):
    """The tags of a model."""

    @extend_schema(operation_id="model_tags_list", responses=TagsDocument)
    def get(self, request: Request, slug: str) -> Response:
        """All of them, by key."""
        return _tags(_model(request, slug), None)


class ModelTag(InventoryView):
    """One tag of a model."""

    @extend_schema(operation_id="model_tags_read", responses=TagDocument)
    def get(self, request: Request, slug: str, key: str) -> Response:
        """The tag."""
        return _tag(_model(request, slug), None, key)

    @extend_schema(operation_id="model_tags_set", request=TagBody, responses=TagDocument)
    def put(self, request: Request, slug: str, key: str) -> Response:
        """Give the tag this value, whether it was there or not."""
        return _set_tag(request, _model(request, slug), key)

    @extend_schema(operation_id="model_tags_delete", responses={204: None})
    def delete(self, request: Request, slug: str, key: str) -> Response:
        """Take the tag away."""
        return _delete_tag(request, _model(request, slug), key)


class VersionTags(InventoryView):
    """The tags of a version."""

    @extend_schema(operation_id="version_tags_list", responses=TagsDocument)
    def get(self, request: Request, slug: str, number: int) -> Response:
        """All of them, by key."""
        version = found_version(request, slug, number)
        return _tags(version.model, version)


class VersionTag(InventoryView):
    """One tag of a version."""

    @extend_schema(operation_id="version_tags_read", responses=TagDocument)
    def get(self, request: Request, slug: str, number: int, key: str) -> Response:
        """The tag."""
        version = found_version(request, slug, number)
        return _tag(version.model, version, key)

    @extend_schema(operation_id="version_tags_set", request=TagBody, responses=TagDocument)
    def put(self, request: Request, slug: str, number: int, key: str) -> Response:
        """Give the tag this value, whether it was there or not."""
        return _set_tag(request, found_version(request, slug, number), key)

    @extend_schema(operation_id="version_tags_delete", responses={204: None})
    def delete(self, request: Request, slug: str, number: int, key: str) -> Response:
        """Take the tag away."""
        return _delete_tag(request, found_version(request, slug, number), key)


class AliasList(InventoryView):
    """The aliases of a model."""

    @extend_schema(operation_id="aliases_list", responses=AliasesDocument)
    def get(self, request: Request, slug: str) -> Response:
        """Where they point now, by name."""
        rows = Alias.objects.open().filter(model=_model(request, slug)).select_related("version").order_by("name")
        return Response({"items": AliasDocument(rows, many=True).data})


class AliasDetail(InventoryView):
    """One alias."""

    @extend_schema(operation_id="aliases_read", responses=AliasDetailDocument)
    def get(self, request: Request, slug: str, name: str) -> Response:
        """Where it points now, and where it pointed before."""
        model = _model(request, slug)
        rows = Alias.objects.filter(model=model, name=name).select_related("version")
        alias = get_object_or_404(rows.open())
        before = rows.exclude(ended_at=None).order_by("-set_at", "-ended_at")
        shown = AliasDocument(alias).data | {"history": AliasDocument(before, many=True).data}
        return Response(shown)

    @extend_schema(operation_id="aliases_set", request=AliasBody, responses=AliasDocument)
    def put(self, request: Request, slug: str, name: str) -> Response:
        """Let it point at a version; if an endpoint serves by it, that version is promoted there."""
        model = _model(request, slug)
        may_write(request, model)
        number = body(request, AliasBody)["version"]
        alias = governance.assign_alias(model, name, _version(model, number), by=caller(request), now=clock.now())
        return Response(AliasDocument(alias).data)

    @extend_schema(operation_id="aliases_end", responses={204: None})
    def delete(self, request: Request, slug: str, name: str) -> Response:
        """Let it point nowhere; refused while an endpoint serves by it."""
        model = _model(request, slug)
        may_write(request, model)
        if not governance.drop_alias(model, name, by=caller(request), now=clock.now()):
            raise Http404
        return Response(status=204)


def _model(request: Request, slug: str) -> RegisteredModel:
    return get_object_or_404(models_of(request), slug=slug)


def _version(model: RegisteredModel, number: int) -> ModelVersion:
    known = ModelVersion.objects.live().filter(model=model, number=number)
    version = known.first() if 0 < number <= NUMBER_LIMIT else None
    if version is None:
        raise Invalid(f"{model.slug} has no version {number}.", field="version")
    version.model = model
    return version


def _tags(model: RegisteredModel, version: ModelVersion | None) -> Response:
    rows = Tag.objects.filter(model=model, version=version).order_by("key")
    return Response({"items": TagDocument(rows, many=True).data})


def _tag(model: RegisteredModel, version: ModelVersion | None, key: str) -> Response:
    return Response(TagDocument(get_object_or_404(Tag, model=model, version=version, key=key)).data)


def _set_tag(request: Request, obj: RegisteredModel | ModelVersion, key: str) -> Response:
    may_write(request, obj if isinstance(obj, RegisteredModel) else obj.model)
    value = body(request, TagBody)["value"]
    return Response(TagDocument(inventory.set_tag(obj, key, value, by=caller(request), now=clock.now())).data)


def _delete_tag(request: Request, obj: RegisteredModel | ModelVersion, key: str) -> Response:
    may_write(request, obj if isinstance(obj, RegisteredModel) else obj.model)
    if not inventory.delete_tag(obj, key, by=caller(request), now=clock.now()):
        raise Http404
    return Response(status=204)
