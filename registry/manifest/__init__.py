"""Inventory as code: manifests are read, planned, applied and written. It writes nothing itself; the verbs do."""

from registry.manifest.applying import apply, plan
from registry.manifest.exporting import export
from registry.manifest.faults import Document, NotApplicable, Notes, Unfit
from registry.manifest.loading import Manifest, load, load_yaml
from registry.manifest.plans import Change, Plan
from registry.manifest.reading import LIMIT_BYTES
from registry.manifest.writing import write_yaml

__all__ = [
    "LIMIT_BYTES",
    "Change",
    "Document",
    "Manifest",
    "NotApplicable",
    "Notes",
    "Plan",
    "Unfit",
    "apply",
    "export",
    "load",
    "load_yaml",
    "plan",
    "write_yaml",
]
