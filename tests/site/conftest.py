"""What tests of the site share."""

from __future__ import annotations

import pytest

from annotation_site.marketplaces.in_memory import InMemory
from annotation_site.marketplaces.providers import PROVIDERS


@pytest.fixture
def market(monkeypatch: pytest.MonkeyPatch) -> InMemory:
    """A marketplace in memory, by the provider's name "memory"."""
    made = InMemory()
    monkeypatch.setitem(PROVIDERS, "memory", lambda environment: made)
    return made
