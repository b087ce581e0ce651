"""What exists: models, their versions, tags, aliases, features, sources, endpoints and consumers: their only writer."""

from registry.inventory.aliases import end_alias, set_alias
from registry.inventory.consumers import create_consumer, edit_consumer, retire_consumer
from registry.inventory.endpoints import create_endpoint, edit_endpoint, retire_endpoint
from registry.inventory.features import (
    FeatureDraft,
    default_privacy,
    drafts_of,
    set_features,
    set_version_features,
)
from registry.inventory.measuring import record_readiness
from registry.inventory.mirroring import mirror_stage
from registry.inventory.registration import (
    delete_model,
    edit_model,
    go_live,
    may_edit,
    may_remove,
    register_model,
    rename_model,
    retire_model,
    suggest_slug,
)
from registry.inventory.sources import create_source, edit_source, retire_source
from registry.inventory.stages import canonical_stage, set_stage
from registry.inventory.tags import delete_tag, set_tag
from registry.inventory.versions import (
    block_version,
    delete_version,
    edit_version,
    freeze_schema,
    register_version,
    unblock_version,
)

__all__ = [
    "FeatureDraft",
    "block_version",
    "canonical_stage",
    "create_consumer",
    "create_endpoint",
    "create_source",
    "default_privacy",
    "delete_model",
    "delete_tag",
    "delete_version",
    "drafts_of",
    "edit_consumer",
    "edit_endpoint",
    "edit_model",
    "edit_source",
    "edit_version",
    "end_alias",
    "freeze_schema",
    "go_live",
    "may_edit",
    "may_remove",
    "mirror_stage",
    "record_readiness",
    "register_model",
    "register_version",
    "rename_model",
    "retire_consumer",
    "retire_endpoint",
    "retire_model",
    "retire_source",
    "set_alias",
    "set_features",
    "set_stage",
    "set_tag",
    "set_version_features",
    "suggest_slug",
    "unblock_version",
]
