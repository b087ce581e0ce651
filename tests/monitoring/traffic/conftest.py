"""Traffic of a test lies in a folder of its own."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlops_portal.kit import faults
from monitoring.models import IngestBatch
from monitoring.traffic import compaction
from registry.models import RegisteredModel
from tests.builders import lease


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, settings: Any) -> Path:
    """Where this test's chunks lie."""
    settings.STORAGE_URL = f"file://{tmp_path / 'chunks'}"
    return tmp_path / "chunks"


@pytest.fixture
def armed(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Plant failures: `armed("compact.renamed:raise:1")`."""

    def arm(text: str) -> None:
        monkeypatch.setattr(faults, "_traps", faults.parse(text))
        faults._hits.clear()

    return arm


def compact(model: RegisteredModel) -> None:
    """One compaction of a model's inbox, as a worker does it."""
    compaction.compact(model.pk, lease("monitoring.compact", str(model.pk), model=str(model.pk)))


def counts(batch: IngestBatch) -> dict[str, int]:
    """What the receipt says by now."""
    batch.refresh_from_db()
    return {name: getattr(batch, name) for name in ("stored", "duplicates", "conflicts", "parked")}
