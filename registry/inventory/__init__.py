"""What exists: models, their versions, features and endpoints. The only writer of these rows."""

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
    retire_model,
    suggest_slug,
)
from registry.inventory.stages import set_stage
from registry.inventory.versions import block_version, edit_version, freeze_schema, register_version, unblock_version

__all__ = [
    "FeatureDraft",
    "block_version",
    "create_endpoint",
    "default_privacy",
    "delete_model",
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
    "retire_endpoint",
    "retire_model",
    "set_alias",
    "set_features",
    "set_stage",
    "set_version_features",
    "suggest_slug",
    "unblock_version",
]
