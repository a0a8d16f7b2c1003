"""Rows of files and shards are those of the array they hold."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline.rows import NpyRows, Rows, Shards


def sources(table: NDArray[np.floating], cuts: list[int], folder: Path) -> list[Rows]:
    """The same rows as files, as shards, and as shards of files."""
    parts = np.split(table, sorted(cuts))
    paths = [folder / f"{place}.npy" for place in range(len(parts))]
    for path, part in zip(paths, parts, strict=True):
        np.save(path, part)
    np.save(folder / "all.npy", table)
    return [NpyRows(folder / "all.npy"), Shards(parts), Shards([NpyRows(path) for path in paths])]


@settings(deadline=None)
@given(st.data(), st.integers(1, 60), st.integers(1, 5), st.sampled_from([np.float16, np.float32]))
def test_slices_and_indices_are_those_of_the_array(
    data: st.DataObject, n: int, d: int, dtype: type[np.floating]
) -> None:
    table = np.arange(n * d).reshape(n, d).astype(dtype)
    cuts = data.draw(st.lists(st.integers(0, n), max_size=4))
    start, stop = data.draw(st.integers(0, n + 3)), data.draw(st.integers(0, n + 3))
    chosen = np.flatnonzero(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    with TemporaryDirectory() as folder:
        for rows in sources(table, cuts, Path(folder)):
            assert rows.shape == (n, d)
            assert rows.dtype == dtype
            assert np.array_equal(rows[start:stop], table[start:stop])
            assert np.array_equal(rows[chosen], table[chosen])


def test_rows_far_apart_in_a_file_are_read_one_by_one(tmp_path: Path) -> None:
    table = np.arange(300_000, dtype=np.float32).reshape(-1, 3)
    np.save(tmp_path / "rows.npy", table)
    chosen = np.array([0, 1, 40_000, 40_001, 99_999])
    assert np.array_equal(NpyRows(tmp_path / "rows.npy")[chosen], table[chosen])


@pytest.mark.parametrize("table", [np.zeros(5), np.asfortranarray(np.zeros((3, 4)))])
def test_files_of_another_form_are_refused(table: NDArray[np.float64], tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", table)
    with pytest.raises(ValueError, match=r"rows\.npy holds an array of shape"):
        NpyRows(tmp_path / "rows.npy")


def test_shards_of_different_widths_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\[2, 3\]"):
        Shards([np.zeros((1, 2)), np.zeros((1, 3))])
