"""What the reference says of invariants and populations is what the code has."""

from __future__ import annotations

import re
from pathlib import Path

from annotation_site.pages.crowd.population import read_population
from annotation_site.verification.checking import INVARIANTS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "invariants.md"


def test_every_invariant_that_is_checked_is_listed() -> None:
    listed = {row.split("|")[1].strip() for row in PAGE.read_text().splitlines() if row.startswith("| ")}
    assert set(INVARIANTS) <= listed


def test_the_example_of_a_population_is_one(tmp_path: Path) -> None:
    example = re.search(r"```toml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    file = tmp_path / "crowd.toml"
    file.write_text(example[1])
    assert [behaviour.name for behaviour in read_population(file)] == ["honest", "spammer", "pair", "fickle"]
