"""The models and versions that a caller names; what is not there, or of another team, answers alike."""

from django.db.models import F, Q, QuerySet
from django.db.models.lookups import Exact

from mlops_portal.kit.errors import Invalid, NotThere
from registry.mlflow.lookups import Unindexed
from registry.mlflow.protocol import Call
from registry.models import Alias, ModelVersion, RegisteredModel

SHOWN = 64


def models(call: Call) -> QuerySet[RegisteredModel]:
    """The models the caller may see: the wall of `visible_to` for a key, which has one team, in a form that lets the
    database read an index in the order of a page."""
    return RegisteredModel.objects.live().filter(call.by.model_filter(), team=call.by.team_id)


def versions(call: Call) -> QuerySet[ModelVersion]:
    """The versions the caller may see."""
    bound = Q(model=call.by.model_id) if call.by.model_id else Q()
    own = Exact(Unindexed(F("model__team_id")), call.by.team_id)
    return ModelVersion.objects.live().filter(bound, own, model__deleted_at=None)


def model(call: Call) -> RegisteredModel:
    """The model that `name` names. Raises NotThere."""
    name = call.given.model_name()
    found = models(call).select_related("team").filter(name=name).first()
    if found is None:
        raise no_model(name)
    return found


def version(call: Call) -> ModelVersion:
    """The version that `name` and `version` name. Raises NotThere."""
    name, number = call.given.model_name(), call.given.version()
    found = versions(call).select_related("model__team").filter(model__name=name, number=number).first()
    if found is None:
        raise no_version(name, call.given.shown_version())
    return found


def aliased(call: Call) -> ModelVersion:
    """The version that the alias of a model points at; of `latest`, which is no alias, the highest one.

    Raises NotThere for an unknown model, Invalid for an unknown alias, as MLflow has it.
    """
    name, alias = call.given.model_name(), call.given.needed("alias")
    of_model = versions(call).select_related("model__team").filter(model__name=name)
    if alias.lower() == "latest":
        newest = of_model.order_by("-number").first()
        if newest is None:
            model(call)
            raise no_version(name, alias)
        return newest
    pointed = Alias.objects.open().filter(name=alias, model__in=models(call).filter(name=name))
    found = of_model.filter(pk__in=pointed.values("version")).first()
    if found is None:
        model(call)
        raise Invalid(f"Registered model alias {alias[:SHOWN]} not found.", field="alias")
    return found


def no_model(name: str) -> NotThere:
    """What the client is told of a model that is not there."""
    return NotThere(f"Registered Model with name={name} not found")


def no_version(name: str, version: str) -> NotThere:
    """What the client is told of a version that is not there."""
    return NotThere(f"Model Version (name={name}, version={version}) not found")
