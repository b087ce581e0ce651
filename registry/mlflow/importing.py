"""Reading another MLflow registry over its REST API, page by page, without the package of MLflow."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from mlops_portal.kit import outbound
from mlops_portal.kit.errors import Invalid
from registry.inventory.importing import ForeignModel, ForeignVersion
from registry.models import ModelVersion

MODELS_AT_ONCE, VERSIONS_AT_ONCE = 200, 1000
ANSWER_LIMIT_BYTES = 64 * 1024 * 1024
CALL_S = 120.0
PROMPT = "mlflow.prompt.is_prompt"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_STATUSES = {
    "PENDING_REGISTRATION": ModelVersion.Status.PENDING,
    "FAILED_REGISTRATION": ModelVersion.Status.FAILED,
}


class Unreadable(Exception):
    """The other registry does not answer as MLflow does."""


@dataclass(frozen=True, slots=True)
class Server:
    """Another registry. headers: its credential, if it wants one."""

    uri: str
    headers: Mapping[str, str] = field(default_factory=dict)

    def models(self, since: datetime | None = None) -> Iterator[ForeignModel]:
        """Its models with all their versions, one model at a time; prompts are passed over.

        since: only models that changed at this moment or later. Raises Unreadable.
        """
        for one in self._pages("registered-models/search", "registered_models", MODELS_AT_ONCE):
            tags = _tags(one)
            changed_at = _moment(one.get("last_updated_timestamp"))
            if tags.get(PROMPT, "").lower() == "true" or (since is not None and changed_at < since):
                continue
            yield ForeignModel(
                name=one["name"],
                created_at=_moment(one.get("creation_timestamp")),
                updated_at=changed_at,
                description=one.get("description", ""),
                tags=tags,
                aliases={alias["alias"]: int(alias["version"]) for alias in one.get("aliases", ())},
                versions=list(self._versions(one["name"])),
            )

    def _versions(self, name: str) -> Iterator[ForeignVersion]:
        quote = '"' if "'" in name else "'"
        asked = {"filter": f"name = {quote}{name}{quote}", "order_by": "version_number ASC"}
        for one in self._pages("model-versions/search", "model_versions", VERSIONS_AT_ONCE, **asked):
            yield ForeignVersion(
                number=int(one["version"]),
                created_at=_moment(one.get("creation_timestamp")),
                updated_at=_moment(one.get("last_updated_timestamp")),
                source=one.get("source", ""),
                storage_uri=self._storage(one),
                run_id=one.get("run_id", ""),
                run_link=one.get("run_link", ""),
                mlflow_model_id=one.get("model_id", ""),
                description=one.get("description", ""),
                stage=one.get("current_stage") or ModelVersion.Stage.NONE,
                status=_STATUSES.get(one.get("status", ""), ModelVersion.Status.READY),
                tags=_tags(one),
            )

    def _storage(self, one: Mapping[str, Any]) -> str:
        """Where a copy of another model's version lies; nothing for others, which lie at their source."""
        source = one.get("source", "")
        if not source.startswith("models:/") or source.startswith("models:/m-"):
            return ""
        asked = {"name": one["name"], "version": one["version"]}
        return str(self._get("model-versions/get-download-uri", asked).get("artifact_uri", ""))

    def _pages(self, path: str, items: str, size: int, **asked: str) -> Iterator[dict[str, Any]]:
        token = ""
        while True:
            more = {"page_token": token} if token else {}
            page = self._get(path, asked | {"max_results": str(size)} | more)
            yield from page.get(items, ())
            token = page.get("next_page_token", "")
            if not token:
                return

    def _get(self, path: str, parameters: Mapping[str, str]) -> dict[str, Any]:
        url = f"{self.uri.rstrip('/')}/api/2.0/mlflow/{path}?{urlencode(parameters)}"
        try:
            answer = outbound.request(
                "GET", url, headers=self.headers, limit_bytes=ANSWER_LIMIT_BYTES, total_s=CALL_S, is_trusted=True
            )
            document = json.loads(answer.body)
        except (outbound.NoAnswer, outbound.AddressRefused, Invalid) as error:
            raise Unreadable(f"{self.uri}: {error}") from error
        except ValueError as error:
            raise Unreadable(f"{self.uri} answered {answer.status} without JSON: {answer.excerpt[:200]}") from error
        if not answer.is_success or not isinstance(document, dict):
            raise Unreadable(f"{self.uri} answered {answer.status}: {answer.excerpt[:200]}")
        return document


def _tags(one: Mapping[str, Any]) -> dict[str, str]:
    return {tag["key"]: tag.get("value", "") for tag in one.get("tags", ())}


def _moment(milliseconds: Any) -> datetime:
    """A time of the other registry; some versions of MLflow write it as text."""
    return _EPOCH + timedelta(milliseconds=int(milliseconds or 0))
