"""Shards keep every prediction exactly, and give back one category without reading the others."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.predictions import Predictions, Rle
from pipeline.shards import ShardReader, UnreadableShard, write_shard


def made_predictions(
    rng: np.random.Generator, count: int, *, kinds: tuple[str, ...] = ("mask", "attention")
) -> Predictions:
    """`count` random predictions of categories 1 to 4."""
    return Predictions(
        categories=rng.integers(1, 5, count, dtype=np.int32),
        boxes=rng.random((count, 4), np.float32),
        class_scores=rng.random(count, np.float32),
        predicted_ious=rng.random(count, np.float32),
        masks=[Rle(size=[48, 64], counts=rng.bytes(int(rng.integers(1, 40)))) for _ in range(count)],
        features={kind: rng.random((count, 3 + len(kind)), np.float32).astype(np.float16) for kind in kinds},
    )


def shard_of(predictions: dict[int, Predictions]) -> ShardReader:
    file = io.BytesIO()
    write_shard(file, predictions)
    return ShardReader(file)


def same(a: Predictions, b: Predictions) -> bool:
    arrays = ("categories", "boxes", "class_scores", "predicted_ious")
    return (
        all(np.array_equal(getattr(a, name), getattr(b, name)) for name in arrays)
        and a.masks == b.masks
        and set(a.features) == set(b.features)
        and all(np.array_equal(a.features[kind], b.features[kind]) for kind in a.features)
    )


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 6), max_size=5), st.integers(0, 2**32 - 1))
def test_every_category_comes_back_whole_and_in_the_order_it_was_given(counts: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    given_by_image = {10 * i + 3: made_predictions(rng, count) for i, count in enumerate(counts)}
    reader = shard_of(given_by_image)
    assert reader.size == sum(counts)
    for category in (1, 2, 3, 4):
        rows = reader.rows(category)
        parts = [p.take(p.categories == category) for p in given_by_image.values()]
        images = np.repeat(list(given_by_image), [len(part) for part in parts])
        assert reader.column("images", rows).tolist() == images.tolist()
        if len(images):
            assert same(reader.predictions(rows), Predictions.concatenate(parts))


def test_the_rows_of_all_categories_make_up_the_shard() -> None:
    reader = shard_of({1: made_predictions(np.random.default_rng(0), 30)})
    rows = [reader.rows(int(category)) for category in reader.category_ids]
    assert [r.start for r in rows] == [0, *(r.stop for r in rows[:-1])]
    assert rows[-1].stop == reader.size == 30
    assert len(reader.predictions()) == 30


def test_a_category_without_masks_has_no_rows() -> None:
    reader = shard_of({1: made_predictions(np.random.default_rng(0), 5)})
    assert reader.rows(99) == slice(0, 0)
    assert len(reader.predictions(reader.rows(99))) == 0


def test_a_shard_may_hold_nothing() -> None:
    reader = shard_of({7: made_predictions(np.random.default_rng(0), 0)})
    assert reader.size == 0
    assert reader.category_ids.tolist() == []
    assert reader.feature_kinds == []


def test_the_same_predictions_give_the_same_bytes() -> None:
    files = [io.BytesIO(), io.BytesIO()]
    for file in files:
        write_shard(file, {i: made_predictions(np.random.default_rng(i), 9) for i in (4, 2)})
    assert files[0].getvalue() == files[1].getvalue()


def test_features_are_kept_in_half_precision() -> None:
    rng = np.random.default_rng(0)
    predictions = made_predictions(rng, 4, kinds=())
    values = rng.random((4, 8))
    wide = Predictions(
        predictions.categories, predictions.boxes, predictions.class_scores, predictions.predicted_ious,
        predictions.masks, {"backbone": values.astype(np.float32)},
    )  # fmt: skip
    reader = shard_of({1: wide})
    order = np.argsort(predictions.categories, kind="stable")
    assert np.array_equal(reader.features("backbone"), values.astype(np.float32).astype(np.float16)[order])


def test_only_the_wanted_kinds_of_features_are_read() -> None:
    reader = shard_of({1: made_predictions(np.random.default_rng(0), 6)})
    assert set(reader.predictions(kinds=["mask"]).features) == {"mask"}
    assert reader.feature_kinds == ["attention", "mask"]


class CountingFile(io.BytesIO):
    """Knows how many bytes were read from it."""

    read_bytes = 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self.read_bytes += len(data)
        return data


def test_reading_one_category_leaves_the_rest_of_the_file_alone() -> None:
    file = CountingFile()
    rng = np.random.default_rng(0)
    many, one = made_predictions(rng, 4000), made_predictions(rng, 1)
    rare = Predictions(
        np.array([9], np.int32), one.boxes, one.class_scores, one.predicted_ious, one.masks, one.features
    )
    write_shard(file, {1: many, 2: rare})
    whole = len(file.getvalue())
    file.read_bytes = 0
    reader = ShardReader(file)
    assert reader.features("mask", reader.rows(9)).shape == (1, 7)
    assert file.read_bytes < whole / 20


@pytest.mark.parametrize("keep", [0, 10, 0.5, 0.99])
def test_a_truncated_file_is_refused_by_name(keep: float, tmp_path) -> None:
    whole = io.BytesIO()
    write_shard(whole, {1: made_predictions(np.random.default_rng(0), 50)})
    data = whole.getvalue()
    path = tmp_path / "shard-3.npz"
    path.write_bytes(data[: int(keep if keep > 1 else keep * len(data))])
    with path.open("rb") as file, pytest.raises(UnreadableShard, match=r"shard-3\.npz"):
        ShardReader(file)


def test_another_version_is_refused() -> None:
    file = io.BytesIO()
    np.savez(file, version=np.array(7, np.int32))
    with pytest.raises(UnreadableShard, match="version 7"):
        ShardReader(file)


def test_another_npz_is_refused() -> None:
    file = io.BytesIO()
    np.savez(file, something=np.zeros(3))
    with pytest.raises(UnreadableShard, match="no complete shard"):
        ShardReader(file)


def test_images_with_different_kinds_of_features_do_not_mix() -> None:
    rng = np.random.default_rng(0)
    mixed = {1: made_predictions(rng, 2), 2: made_predictions(rng, 2, kinds=("mask",))}
    with pytest.raises(ValueError, match="different feature kinds"):
        write_shard(io.BytesIO(), mixed)
