"""Generated scenes: exact ground truth, from a seed, in a folder."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from pipeline.progress import StopRequested
from pipeline.scenes import SPECIES, SceneOptions, generate, write_scenes
from pipeline.scenes.paint import OVERSAMPLING, Light, paint_thing
from pipeline.scenes.shapes import LOOKALIKES, OCCLUDERS

SMALL = SceneOptions(height=128, width=160, objects=(2, 4), diameters=(28.0, 44.0), min_area=60)
COUNTS = {"initial": 3, "heldout": 2, "pool": 4}


@given(seed=st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_visible_masks_are_disjoint_and_large_enough(seed: int) -> None:
    scene = generate(SMALL, np.random.default_rng(seed))
    assert np.sum(scene.masks, axis=0).max(initial=0) <= 1
    assert all(mask.sum() >= SMALL.min_area for mask in scene.masks)
    assert all(SMALL.min_visible <= share <= 1 for share in scene.visible)
    assert len(scene.masks) == len(scene.category_ids) == len(scene.visible) <= SMALL.objects[1]


def test_the_same_seed_paints_the_same_scene_and_another_seed_another() -> None:
    first, again, other = (generate(SMALL, np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert np.array_equal(first.image, again.image)
    assert first.category_ids == again.category_ids
    assert all(np.array_equal(a, b) for a, b in zip(first.masks, again.masks, strict=True))
    assert not np.array_equal(first.image, other.image)


def test_every_category_appears_and_some_objects_are_occluded() -> None:
    scenes = [generate(SMALL, np.random.default_rng(seed)) for seed in range(40)]
    seen = {category for scene in scenes for category in scene.category_ids}
    assert seen == set(range(1, len(SPECIES) + 1))
    shares = [share for scene in scenes for share in scene.visible]
    assert min(shares) < 0.8 < max(shares) == 1.0


@pytest.mark.parametrize("name", SPECIES)
def test_things_of_a_category_vary(name: str) -> None:
    light = Light((1.0, 0.0), (1.0, 1.0, 1.0), 0, 0, 0)
    rng = np.random.default_rng(0)
    sprites = [
        paint_thing(SPECIES[name].grow(rng), diameter=40, turn=0, light=light, rng=rng) for _ in range(6)
    ]
    areas = [float(sprite.alpha.sum()) for sprite in sprites]
    colours = [sprite.colour.sum((0, 1)) / sprite.alpha.sum() for sprite in sprites]
    assert len({round(area) for area in areas}) > 1
    assert np.std(colours, axis=0).max() > 0.01


@pytest.mark.parametrize("grow", [species.grow for species in SPECIES.values()] + [*LOOKALIKES, *OCCLUDERS])
def test_things_fit_their_sprite_at_any_turn(grow) -> None:
    rng = np.random.default_rng(1)
    for turn in np.linspace(0, 2 * np.pi, 5):
        sprite = paint_thing(grow(rng), diameter=36, turn=turn, light=Light.random(rng), rng=rng)
        assert sprite.alpha.shape[0] * OVERSAMPLING >= 36
        assert 0 < sprite.alpha.max() <= 1
        assert (sprite.colour <= sprite.alpha[:, :, None] + 1e-5).all()


def test_outlines_are_antialiased() -> None:
    rng = np.random.default_rng(2)
    sprite = paint_thing(SPECIES["beetle"].grow(rng), diameter=60, turn=0.3, light=Light.random(rng), rng=rng)
    edge = (sprite.alpha > 0.05) & (sprite.alpha < 0.95)
    assert edge.sum() > 60


def test_an_unknown_category_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"unicorn.*choose from leaf"):
        SceneOptions(categories=("leaf", "unicorn"))


def test_objects_that_cannot_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        SceneOptions(height=32, width=32)


def test_a_folder_holds_images_and_a_coco_file_per_role(tmp_path: Path) -> None:
    sets = write_scenes(tmp_path, seed=3, counts=COUNTS, options=SMALL)
    assert {role: scenes.count for role, scenes in sets.items()} == COUNTS
    images, annotations = set(), set()
    for scenes in sets.values():
        coco = COCO(str(scenes.annotations))
        assert [category["name"] for category in coco.loadCats(coco.getCatIds())] == list(SPECIES)
        for image in coco.loadImgs(coco.getImgIds()):
            with Image.open(scenes.images / image["file_name"]) as opened:
                assert (opened.height, opened.width) == (image["height"], image["width"]) == (128, 160)
        images |= set(coco.getImgIds())
        annotations |= set(coco.getAnnIds())
    assert len(images) == sum(COUNTS.values())
    assert len(annotations) == sum(
        len(json.loads(scenes.annotations.read_text())["annotations"]) for scenes in sets.values()
    )


def test_boxes_and_areas_are_those_of_the_masks(tmp_path: Path) -> None:
    scenes = write_scenes(tmp_path, seed=4, counts={"pool": 3}, options=SMALL)["pool"]
    for annotation in json.loads(scenes.annotations.read_text())["annotations"]:
        assert annotation["area"] == coco_mask.area(annotation["segmentation"])
        assert annotation["bbox"] == coco_mask.toBbox(annotation["segmentation"]).tolist()


def test_painting_again_leaves_a_complete_folder_alone_and_other_numbers_replace_it(tmp_path: Path) -> None:
    scenes = write_scenes(tmp_path, seed=5, counts={"pool": 2}, options=SMALL)["pool"]
    before = scenes.annotations.stat().st_mtime_ns
    write_scenes(tmp_path, seed=5, counts={"pool": 2}, options=SMALL)
    assert scenes.annotations.stat().st_mtime_ns == before
    written = scenes.annotations.read_bytes()
    write_scenes(tmp_path, seed=6, counts={"pool": 2}, options=SMALL)
    assert scenes.annotations.read_bytes() != written


def test_a_stopped_run_leaves_no_annotations_and_is_completed_by_the_next(tmp_path: Path) -> None:
    def stop_after_two(done: int, total: int, message: str = "") -> None:
        if done >= 2:
            raise StopRequested

    with pytest.raises(StopRequested):
        write_scenes(tmp_path, seed=7, counts={"pool": 4}, options=SMALL, progress=stop_after_two)
    assert not (tmp_path / "pool" / "annotations.json").exists()
    scenes = write_scenes(tmp_path, seed=7, counts={"pool": 4}, options=SMALL)["pool"]
    assert len(json.loads(scenes.annotations.read_text())["images"]) == 4


def test_several_processes_paint_what_one_paints(tmp_path: Path) -> None:
    one = write_scenes(tmp_path / "one", seed=8, counts={"pool": 3}, options=SMALL)["pool"]
    two = write_scenes(tmp_path / "two", seed=8, counts={"pool": 3}, options=SMALL, processes=2)["pool"]
    assert one.annotations.read_bytes() == two.annotations.read_bytes()
    for path in sorted(one.images.iterdir()):
        assert path.read_bytes() == (two.images / path.name).read_bytes()


def test_progress_runs_over_all_roles(tmp_path: Path) -> None:
    reports: list[tuple[int, int]] = []
    write_scenes(
        tmp_path,
        seed=9,
        counts=COUNTS,
        options=SMALL,
        progress=lambda done, total, _="": reports.append((done, total)),
    )
    assert reports[-1] == (9, 9)
    assert [done for done, _ in reports] == sorted(done for done, _ in reports)
