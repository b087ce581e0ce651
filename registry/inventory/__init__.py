"""What exists: models, their versions, tags, aliases, features and endpoints. The only writer of these rows."""

from registry.inventory.aliases import end_alias, set_alias
from registry.inventory.endpoints import create_endpoint, edit_endpoint, retire_endpoint
from registry.inventory.features import FeatureDraft, default_privacy, set_features, set_version_features
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
    "create_endpoint",
    "default_privacy",
    "delete_model",
    "delete_tag",
    "delete_version",
    "edit_endpoint",
    "edit_model",
    "edit_version",
    "end_alias",
    "freeze_schema",
    "go_live",
    "may_edit",
    "may_remove",
    "mirror_stage",
    "register_model",
    "register_version",
    "rename_model",
    "retire_endpoint",
    "retire_model",
    "set_alias",
    "set_features",
    "set_stage",
    "set_tag",
    "set_version_features",
    "suggest_slug",
    "unblock_version",
]
