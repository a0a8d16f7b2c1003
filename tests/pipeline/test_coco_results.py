"""Results by image: whatever the file's order, in the memory of one image."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.coco_results import PlacedResult, ResultsByImage

SQUARE = [[1.0, 1.0, 5.0, 1.0, 5.0, 5.0]]


def placed(image: int, row: int) -> PlacedResult:
    return PlacedResult(image, row, 3, 0.5, 1.0, SQUARE)


class TestByImage:
    @settings(max_examples=30, deadline=None)
    @given(st.lists(st.integers(1, 6), max_size=30))
    def test_each_images_results_come_together_in_the_files_order(self, images):
        with ResultsByImage() as results:
            results.add(placed(image, row) for row, image in enumerate(images))
            results.finish()
            found = list(results.within(1, 6))
            assert len(results) == len(images)
        assert [image for image, _ in found] == sorted(set(images))
        for image, listed in found:
            assert [r.row for r in listed] == [row for row, other in enumerate(images) if other == image]

    def test_only_the_images_asked_for_are_read(self):
        with ResultsByImage() as results:
            results.add(placed(image, image) for image in range(10))
            results.finish()
            assert [image for image, _ in results.within(3, 5)] == [3, 4, 5]
            assert list(results.within(20, 30)) == []

    def test_segmentations_come_back_as_they_were(self):
        rle = {"size": [8, 10], "counts": "abc"}
        with ResultsByImage() as results:
            results.add([PlacedResult(1, 0, 3, 0.25, 0.75, rle)])
            results.finish()
            assert list(results.within(1, 1)) == [(1, [PlacedResult(1, 0, 3, 0.25, 0.75, rle)])]

    def test_nothing_stays_on_disk(self, tmp_path):
        with ResultsByImage(folder=tmp_path) as results:
            results.add([placed(1, 0)])
            assert list(tmp_path.iterdir())
        assert not list(tmp_path.iterdir())
