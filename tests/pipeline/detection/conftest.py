"""Annotated images of generated scenes for the tests of detection."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.detection import AnnotatedImage
from pipeline.scenes import SceneOptions, SceneSet, write_scenes

from .scene_images import annotated

TINY = SceneOptions(
    height=96, width=128, objects=(2, 3), lookalikes=(0, 1), grass=(0, 0), diameters=(32, 48), min_area=60
)


@pytest.fixture(scope="session")
def scene_sets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, SceneSet]:
    """A folder of tiny scenes: 6 initial, 3 pool."""
    folder: Path = tmp_path_factory.mktemp("scenes")
    return write_scenes(folder, seed=11, counts={"initial": 6, "pool": 3}, options=TINY)


@pytest.fixture(scope="session")
def initial(scene_sets: dict[str, SceneSet]) -> list[AnnotatedImage]:
    return annotated(scene_sets["initial"])


@pytest.fixture(scope="session")
def pool(scene_sets: dict[str, SceneSet]) -> list[AnnotatedImage]:
    return annotated(scene_sets["pool"])
