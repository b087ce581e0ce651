"""What the OpenAPI schema says is what the API does: schemathesis plays every operation, with good and bad values."""

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.core.failures import Failure, FailureGroup

from mlops_portal import problems
from registry.models import Role, Scope
from tests.factories import make_endpoint, make_key, make_model, make_version

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]
KNOWN = {"models": "credit", "endpoints": "credit-live"}  # by the noun before the slug


@schemathesis.hook
def map_path_parameters(context: Any, path_parameters: dict[str, Any] | None) -> dict[str, Any] | None:
    """Mostly names of what exists, for nothing lies behind those that do not."""
    noun = context.operation.path.removeprefix("/api/v1/").split("/")[0]
    if path_parameters and "slug" in path_parameters and len(str(path_parameters["slug"])) != 1:
        path_parameters["slug"] = KNOWN.get(noun, path_parameters["slug"])
    return path_parameters


@pytest.fixture
def api_schema(live_server, team):
    model = make_model(team=team, slug="credit", features=[("income", "number")])
    make_version(model)
    make_endpoint(model, slug="credit-live")
    key = make_key(team=team, scopes=list(Scope.values), role=Role.MAINTAINER)
    played = schemathesis.openapi.from_dict(problems.schema_document())
    played.config.update(base_url=live_server.url)
    played.config.update(headers={"Authorization": f"Bearer {key}"})
    return played


def failures_of(operation, mode):
    """What goes wrong with one operation, played with values that are all right or that are not."""

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(max_examples=8, derandomize=True, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    def play(case):
        case.call_and_validate()

    try:
        play()
    except (FailureGroup, Failure) as found:
        return [f"{operation.label}: {found}"]
    except Unsatisfiable:  # nothing about this operation can be wrong
        return []
    return []


def test_every_operation_does_what_the_schema_says(api_schema):
    operations = [found.ok() for found in api_schema.get_all_operations()]
    modes = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)

    found = [failure for operation in operations for mode in modes for failure in failures_of(operation, mode)]

    assert len(operations) > 30
    assert found == [], "\n".join(found)
