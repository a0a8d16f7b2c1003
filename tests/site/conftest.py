"""What tests of the site share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from annotation_site.marketplaces.in_memory import InMemory
from annotation_site.marketplaces.providers import PROVIDERS


@pytest.fixture
def market(monkeypatch: pytest.MonkeyPatch) -> InMemory:
    """A marketplace in memory, by the provider's name "memory"."""
    made = InMemory()
    monkeypatch.setitem(PROVIDERS, "memory", lambda environment: made)
    return made


@pytest.fixture
def own_artifacts(settings: Any, tmp_path: Path) -> None:
    """A folder of the test's own for artifacts: tests beside it have projects of the same ids."""
    place = {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": tmp_path / "artifacts"},
    }
    settings.STORAGES = {**settings.STORAGES, "artifacts": place}
