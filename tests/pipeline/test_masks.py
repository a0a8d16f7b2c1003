"""Masks: every COCO form is read, nothing malformed reaches C code, outlines say exactly the mask."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image, ImageDraw, ImageOps
from pycocotools import mask as coco_mask
from scipy import ndimage

from pipeline import masks

any_mask = hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=24))
filled_mask = any_mask.filter(lambda mask: bool(mask.any()))


def blob(
    seed: int, *, height: int = 60, width: int = 80, smooth: float = 2.0, share: float = 0.4
) -> np.ndarray:
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).random((height, width)), smooth)
    return noise > np.quantile(noise, 1 - share)


def runs_of(mask: np.ndarray) -> list[int]:
    """Uncompressed COCO counts, the slow and obvious way."""
    counts, current, run = [], False, 0
    for pixel in mask.ravel(order="F"):
        if bool(pixel) != current:
            counts.append(run)
            current, run = bool(pixel), 0
        run += 1
    return [*counts, run]


def rings_of(path: str) -> list[np.ndarray]:
    """The rings of an SVG path of M, l and z commands."""
    rings = []
    for part in re.findall(r"M([^z]*)z", path):
        start, moves = part.split("l")
        numbers = [float(number) for number in f"{start} {moves}".split()]
        rings.append(np.cumsum(np.array(numbers).reshape(-1, 2), axis=0))
    return rings


def centres_inside(path: str, shape: tuple[int, int]) -> np.ndarray:
    """Which pixel centres are inside the path by the even-odd rule: crossings of a ray to the left."""
    inside = np.zeros(shape, dtype=bool)
    ys, xs = np.mgrid[: shape[0], : shape[1]] + 0.5
    for ring in rings_of(path):
        for (x0, y0), (x1, y1) in zip(ring, np.roll(ring, -1, axis=0), strict=True):
            # isoline points sit on whole and half numbers: look along a line slightly below the centres
            level = ys + 1e-6
            if y0 == y1:
                continue
            spans = (min(y0, y1) < level) & (level < max(y0, y1))
            inside ^= spans & (x0 + (level - y0) * (x1 - x0) / (y1 - y0) < xs)
    return inside


class TestEncoding:
    @given(any_mask)
    def test_a_mask_survives_encoding_and_decoding(self, mask):
        back = masks.decode(masks.encode(mask))
        assert back.dtype == bool
        assert np.array_equal(back, mask)

    def test_bytes_of_any_value_count_as_inside(self):
        assert masks.areas([masks.encode(np.array([[0, 1, 255]], dtype=np.uint8))]).tolist() == [2]

    @given(filled_mask)
    def test_areas_and_boxes_are_those_of_the_pixels(self, mask):
        rle = masks.encode(mask)
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        box = [columns[0], rows[0], columns[-1] - columns[0] + 1, rows[-1] - rows[0] + 1]
        assert masks.areas([rle]).tolist() == [mask.sum()]
        assert masks.boxes([rle]).tolist() == [box]

    @pytest.mark.parametrize("count", [255, 256, 1000])
    def test_there_may_be_any_number_of_masks(self, count):
        rles = [masks.encode(np.tri(8, 9, k % 5, dtype=bool)) for k in range(count)]
        assert masks.areas(rles).tolist() == [int(masks.decode(rle).sum()) for rle in rles]
        assert masks.boxes(rles).shape == (count, 4)
        assert masks.iou(rles, rles[:300]).diagonal().tolist() == [1.0] * min(count, 300)

    def test_no_masks_have_no_areas_and_no_boxes(self):
        assert masks.areas([]).shape == (0,)
        assert masks.boxes([]).shape == (0, 4)


class TestIou:
    @given(st.integers(0, 1000))
    def test_it_is_intersection_over_union(self, seed):
        a, b = blob(seed), blob(seed + 1)
        expected = (a & b).sum() / (a | b).sum()
        assert masks.iou([masks.encode(a)], [masks.encode(b)])[0, 0] == pytest.approx(expected)

    def test_a_crowd_region_divides_by_the_other_mask_alone(self):
        small, region = np.zeros((4, 4), bool), np.ones((4, 4), bool)
        small[1, 1:3] = True
        pair = [masks.encode(small)], [masks.encode(region)]
        assert masks.iou(*pair)[0, 0] == pytest.approx(2 / 16)
        assert masks.iou(*pair, crowd=[True])[0, 0] == 1.0

    def test_an_empty_side_gives_an_empty_matrix(self):
        assert masks.iou([], [masks.encode(blob(0))]).shape == (0, 1)
        assert masks.iou([masks.encode(blob(0))], []).shape == (1, 0)

    def test_masks_of_different_images_are_refused(self):
        with pytest.raises(masks.InvalidMask, match="different sizes"):
            masks.iou([masks.encode(blob(0))], [masks.encode(blob(0, width=81))])


class TestReadingCoco:
    @given(filled_mask)
    def test_both_run_length_forms_give_the_mask(self, mask):
        height, width = mask.shape
        packed = masks.encode(mask)["counts"]
        for counts in (runs_of(mask), [float(run) for run in runs_of(mask)], packed, packed.decode()):
            rle = masks.from_coco({"size": [height, width], "counts": counts}, height=height, width=width)
            assert np.array_equal(masks.decode(rle), mask)

    def test_large_and_falling_runs_unpack(self):
        mask = np.zeros((3000, 2000), bool)
        mask[10:2990, 5:1990:3] = True
        mask[7, 1000] = True
        packed = masks.encode(mask)["counts"]
        assert (
            masks._unpack(packed).tolist() == runs_of(mask[:, :]) or masks._unpack(packed).sum() == mask.size
        )
        assert np.array_equal(
            masks.decode(masks.from_coco(masks.encode(mask), height=3000, width=2000)), mask
        )

    def test_a_polygon_covers_its_pixels(self):
        rle = masks.from_coco([[2, 1, 6, 1, 6, 4, 2, 4]], height=10, width=12)
        assert masks.boxes([rle]).tolist() == [[2, 1, 4, 3]]
        assert masks.areas([rle]).tolist() == [12]

    def test_several_polygons_make_a_union(self):
        parts = [[0, 0, 4, 0, 4, 4, 0, 4], [2, 2, 6, 2, 6, 6, 2, 6], [8, 8, 9, 8, 9, 9, 8, 9]]
        rle = masks.from_coco(parts, height=10, width=10)
        assert masks.areas([rle]).tolist() == [16 + 16 - 4 + 1]

    def test_what_lies_outside_the_image_is_cut_off(self):
        rle = masks.from_coco([[-5, -5, 3, -5, 3, 3, -5, 3]], height=10, width=10)
        assert masks.boxes([rle]).tolist() == [[0, 0, 3, 3]]

    @pytest.mark.parametrize("far", [1e4, 1e9, 1e15])
    def test_stray_coordinates_cost_no_memory_and_keep_the_inner_part(self, far):
        rle = masks.from_coco([[5, 2, far, 2, far, 8, 5, 8]], height=10, width=20)
        assert masks.boxes([rle]).tolist() == [[5, 2, 15, 6]]

    def test_a_polygon_around_everything_covers_the_image(self):
        rle = masks.from_coco([[-1e9, -1e9, 1e9, -1e9, 1e9, 1e9, -1e9, 1e9]], height=10, width=20)
        assert masks.areas([rle]).tolist() == [200]

    def test_polygons_near_the_image_are_read_as_pycocotools_reads_them(self):
        rng = np.random.default_rng(3)
        for _ in range(50):
            flat = rng.uniform(-30, 70, size=12).tolist()
            theirs = coco_mask.merge(coco_mask.frPyObjects([flat], 40, 40))
            if coco_mask.area(theirs):
                assert masks.from_coco([flat], height=40, width=40)["counts"] == theirs["counts"]

    @pytest.mark.parametrize(
        "segmentation",
        [
            [[20, 20, 30, 20, 30, 30]],
            [[1e9, 1e9, 2e9, 1e9, 2e9, 2e9]],
            [[1, 1, 1, 1, 1, 1]],
            {"size": [10, 10], "counts": [100]},
        ],
    )
    def test_a_mask_without_pixels_is_refused_as_empty(self, segmentation):
        with pytest.raises(masks.EmptyMask):
            masks.from_coco(segmentation, height=10, width=10)

    @pytest.mark.parametrize(
        ("segmentation", "why"),
        [
            (None, "not NoneType"),
            ("5", "not str"),
            ([], "without polygons"),
            ([[1, 2, 3, 4]], "of 2 points"),
            ([[1, 2, 3, 4, 5]], "flat list"),
            ([1, 2, 3, 4, 5, 6], "flat list"),
            ([["a", 2, 3, 4, 5, 6]], "flat list"),
            ([[1, 2, 3, 4, 5, float("nan")]], "not finite"),
            ([[1, 2, 3, 4, 5, float("inf")]], "not finite"),
            ({"counts": [100]}, "needs 'size'"),
            ({"size": [10, 10]}, "needs 'size'"),
            ({"size": [10, 11], "counts": [110]}, "size"),
            ({"size": 10, "counts": [100]}, "size"),
            ({"size": [10, 10], "counts": [50, 20]}, "cover 70 pixels"),
            ({"size": [10, 10], "counts": [50, 60, 10]}, "cover 120 pixels"),
            ({"size": [10, 10], "counts": [110, -20, 10]}, "negative"),
            ({"size": [10, 10], "counts": [50.5, 49.5]}, "whole numbers"),
            ({"size": [10, 10], "counts": ["x"]}, "whole numbers"),
            ({"size": [10, 10], "counts": None}, "whole numbers"),
            ({"size": [10, 10], "counts": ""}, "cover 0 pixels"),
            ({"size": [10, 10], "counts": "é"}, "not ASCII"),
            ({"size": [10, 10], "counts": "\x01"}, "damaged"),
            ({"size": [10, 10], "counts": "o"}, "damaged"),
            ({"size": [10, 10], "counts": "o" * 40 + "0"}, "larger than any image"),
        ],
    )
    def test_a_malformed_segmentation_is_refused_saying_why(self, segmentation, why):
        with pytest.raises(masks.InvalidMask, match=re.escape(why)):
            masks.from_coco(segmentation, height=10, width=10)

    def test_runs_whose_sum_comes_round_to_the_images_size_are_refused_and_draw_nothing_beyond_it(self):
        # 7 outside, 3 inside, ten multiples of 2^58, one that makes the sum 2^64 + 10,000, and 2^33 inside:
        # pycocotools reads 32 bits of it.
        multiples = "8MPPPPPPPPPPP80" + "PPPPPPPPPPP80" * 8
        counts = ("73PPPPPPPPPPP" + multiples + "VhYPPPhooooGPPPPPP8").encode()
        with pytest.raises(masks.InvalidMask, match="longer than its image"):
            masks.from_coco({"size": [100, 100], "counts": counts}, height=100, width=100)
        assert len(rings_of(masks.outline({"size": [100, 100], "counts": counts}))) == 1

    @given(st.binary(max_size=40))
    def test_no_string_of_counts_gets_past_unless_it_fills_the_image(self, counts):
        try:
            rle = masks.from_coco({"size": [7, 9], "counts": counts}, height=7, width=9)
        except masks.InvalidMask:
            return
        assert masks.decode(rle).any()


class TestOrientation:
    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_a_mask_turns_with_its_image(self, orientation, tmp_path):
        mask = blob(5, height=20, width=31)
        picture = Image.fromarray(mask.astype(np.uint8) * 255)
        exif = picture.getexif()
        exif[0x0112] = orientation
        picture.save(tmp_path / "turned.png", exif=exif)
        with Image.open(tmp_path / "turned.png") as stored:
            upright = np.asarray(ImageOps.exif_transpose(stored)) > 127
        assert np.array_equal(masks.decode(masks.oriented(masks.encode(mask), orientation)), upright)


class TestOutline:
    @settings(max_examples=60, deadline=None)
    @given(any_mask)
    def test_exactly_the_masks_pixel_centres_are_inside(self, mask):
        assert np.array_equal(centres_inside(masks.outline(masks.encode(mask)), mask.shape), mask)

    def test_holes_and_separate_parts_are_rings_of_their_own(self):
        mask = np.zeros((20, 20), bool)
        mask[2:10, 2:10] = True
        mask[4:6, 4:6] = False
        mask[14:17, 14:17] = True
        assert len(rings_of(masks.outline(masks.encode(mask)))) == 3

    def test_a_rectangle_takes_eight_points_whatever_its_size(self):
        mask = np.zeros((500, 500), bool)
        mask[10:490, 20:480] = True
        path = masks.outline(masks.encode(mask))
        assert len(rings_of(path)[0]) == 8
        assert len(path) < 70

    def test_the_outline_stays_within_the_masks_box(self):
        mask = blob(1)
        x, y, width, height = masks.boxes([masks.encode(mask)])[0]
        points = np.concatenate(rings_of(masks.outline(masks.encode(mask))))
        assert points.min(axis=0).tolist() == [x, y]
        assert points.max(axis=0).tolist() == [x + width, y + height]

    def test_an_empty_mask_has_an_empty_path(self):
        assert masks.outline(masks.encode(np.zeros((5, 5), bool))) == ""

    @pytest.mark.parametrize("scale", [0.37, 1.0, 3.25])
    def test_it_can_be_drawn_in_the_pixels_of_a_crop(self, scale):
        rle = masks.encode(blob(2))
        plain, cropped = (
            rings_of(masks.outline(rle)),
            rings_of(masks.outline(rle, origin=(7.25, 3.5), scale=scale)),
        )
        for ring, drawn in zip(plain, cropped, strict=True):
            expected = (ring - (7.25, 3.5)) * scale
            assert np.abs(drawn[:, None] - expected[None]).max(axis=2).min(axis=1).max() <= 0.051 + 1e-9


class TestPolygons:
    @settings(max_examples=100, deadline=None)
    @given(filled_mask)
    def test_reading_them_back_gives_exactly_the_mask(self, mask):
        height, width = mask.shape
        rle = masks.encode(mask)
        assert masks.from_coco(masks.polygons(rle), height=height, width=width) == rle

    def test_holes_survive_by_a_seam(self):
        mask = np.zeros((40, 40), bool)
        mask[5:35, 5:35] = True
        mask[10:15, 10:15] = mask[20:30, 20:22] = False
        (polygon,) = masks.polygons(masks.encode(mask))
        canvas = Image.new("1", (40, 40))
        ImageDraw.Draw(canvas).polygon(polygon, fill=1)
        assert not np.asarray(canvas)[11, 13]
        assert np.asarray(canvas)[7, 7]

    def test_parts_become_polygons_of_their_own(self):
        mask = np.zeros((10, 10), bool)
        mask[1:3, 1:3] = mask[6:9, 6:9] = True
        assert len(masks.polygons(masks.encode(mask))) == 2
