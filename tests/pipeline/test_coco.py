"""COCO files: read as streams in any order, refused by name when broken, written whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools.coco import COCO

from pipeline import coco
from pipeline.coco import CocoAnnotation, CocoCategory, CocoImage
from pipeline.coco_index import CocoIndex

SQUARE = [[1.0, 1.0, 5.0, 1.0, 5.0, 5.0, 1.0, 5.0]]
CATEGORIES = [{"id": 3, "name": "cat", "supercategory": "animal"}, {"id": 9, "name": "dog"}]
IMAGES = [
    {"id": 20, "file_name": "b.jpg", "width": 10, "height": 8, "license": 1},
    {"id": 7, "file_name": "a.jpg"},
]
ANNOTATIONS = [
    {"id": 1, "image_id": 20, "category_id": 3, "segmentation": SQUARE, "iscrowd": 0},
    {"id": 2, "image_id": 7, "category_id": 9, "segmentation": {"size": [8, 10], "counts": [9, 71]},
     "iscrowd": 1},
    {"id": 3, "image_id": 20, "category_id": 9, "segmentation": {"size": [8, 10], "counts": "`2"}},
]  # fmt: skip


def instances(path: Path, **sections: object) -> Path:
    document = {"info": {}, "images": IMAGES, "annotations": ANNOTATIONS, "categories": CATEGORIES}
    path.write_text(json.dumps({**document, **sections}))
    return path


def results(path: Path, *entries: object) -> Path:
    path.write_text(json.dumps(list(entries)))
    return path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return instances(tmp_path / "instances.json")


class TestReadingInstances:
    def test_every_section_is_read_with_its_ids(self, file):
        assert list(coco.read_categories(file)) == [CocoCategory(3, "cat", "animal"), CocoCategory(9, "dog")]
        assert list(coco.read_images(file)) == [CocoImage(20, "b.jpg", 10, 8), CocoImage(7, "a.jpg")]
        assert list(coco.read_annotations(file))[1] == CocoAnnotation(
            image_id=7, category_id=9, segmentation={"size": [8, 10], "counts": [9, 71]}, id=2, iscrowd=True
        )

    @given(st.permutations(["images", "annotations", "categories", "info"]))
    def test_the_order_of_the_sections_does_not_matter(self, tmp_path_factory, order):
        document = {
            "images": IMAGES,
            "annotations": ANNOTATIONS,
            "categories": CATEGORIES,
            "info": {"a": [1]},
        }
        path = tmp_path_factory.mktemp("order") / "instances.json"
        path.write_text(json.dumps({section: document[section] for section in order}))
        with CocoIndex(path) as index:
            assert [image.id for image in index.images()] == [7, 20]
            assert [annotation.id for annotation in index.annotations(20)] == [1, 3]

    def test_numbers_written_as_decimals_are_whole_numbers_where_they_are_whole(self, tmp_path):
        file = instances(
            tmp_path / "f.json", images=[{"id": 4.0, "file_name": "a.jpg", "width": 10.0, "height": 8}]
        )
        assert list(coco.read_images(file)) == [CocoImage(4, "a.jpg", 10, 8)]

    @pytest.mark.parametrize(
        "text", ['{"images": [{"id": 1, "file_', "", "not json", '{"images": [] 2}', "[" * 9]
    )
    def test_broken_json_is_refused_naming_the_file(self, tmp_path, text):
        file = tmp_path / "broken.json"
        file.write_text(text)
        with pytest.raises(coco.MalformedJson, match=r"broken\.json: not valid JSON"):
            list(coco.read_images(file))

    def test_bytes_that_are_not_utf8_are_refused_naming_the_file(self, tmp_path):
        file = tmp_path / "latin.json"
        file.write_bytes(b'{"images": [{"id": 1, "file_name": "\xe9.jpg"}]}')
        with pytest.raises(coco.MalformedJson, match=r"latin\.json"):
            list(coco.read_images(file))

    @pytest.mark.parametrize(
        ("entry", "message"),
        [
            (
                {"id": 5, "category_id": 3, "segmentation": SQUARE},
                r"annotations\[1\] \(id 5\) has no 'image_id'",
            ),
            ({"image_id": 7, "segmentation": SQUARE}, r"annotations\[1\] has no 'category_id'"),
            ({"id": 5, "image_id": 7, "category_id": 3}, "has no 'segmentation'"),
            ({"id": 5, "image_id": 7, "category_id": 3, "segmentation": None}, "has no 'segmentation'"),
            ({"id": 5, "image_id": "7", "category_id": 3, "segmentation": SQUARE}, "'image_id' is '7'"),
            ({"id": 5, "image_id": 7.5, "category_id": 3, "segmentation": SQUARE}, "7.5, not a whole number"),
            ({"id": 5, "image_id": True, "category_id": 3, "segmentation": SQUARE}, "not a whole number"),
            (17, r"annotations\[1\] is int, not an object"),
        ],
    )
    def test_a_malformed_item_is_named_with_its_file_place_and_id(self, tmp_path, entry, message):
        file = instances(tmp_path / "f.json", annotations=[ANNOTATIONS[0], entry])
        with pytest.raises(coco.MalformedItem, match=message):
            list(coco.read_annotations(file))

    def test_malformed_items_can_be_collected_and_the_rest_read(self, tmp_path):
        file = instances(tmp_path / "f.json", annotations=[{}, ANNOTATIONS[0], "x", ANNOTATIONS[1]])
        problems: list[coco.MalformedItem] = []
        assert [a.id for a in coco.read_annotations(file, problem=problems.append)] == [1, 2]
        assert len(problems) == 2


class TestIndex:
    def test_images_come_by_id_with_their_annotations(self, file):
        with CocoIndex(file) as index:
            assert len(index) == 2
            assert [category.name for category in index.categories] == ["cat", "dog"]
            assert [image.file_name for image in index.images()] == ["a.jpg", "b.jpg"]
            assert index.annotations(20) == [
                CocoAnnotation(20, 3, SQUARE, id=1),
                CocoAnnotation(20, 9, {"size": [8, 10], "counts": "`2"}, id=3),
            ]
            assert index.annotations(12345) == []

    def test_annotations_of_images_that_are_not_listed_are_found(self, tmp_path):
        stray = {"id": 8, "image_id": 99, "category_id": 3, "segmentation": SQUARE}
        with CocoIndex(instances(tmp_path / "f.json", annotations=[*ANNOTATIONS, stray])) as index:
            assert list(index.orphans()) == [(8, 99)]

    def test_an_image_id_given_twice_is_refused_by_name(self, tmp_path):
        file = instances(tmp_path / "f.json", images=[*IMAGES, {"id": 7, "file_name": "c.jpg"}])
        with pytest.raises(coco.MalformedItem, match="image id 7 is there more than once"):
            CocoIndex(file)

    def test_a_file_without_images_is_refused(self, tmp_path):
        with pytest.raises(coco.CocoError, match="lists no images"):
            CocoIndex(results(tmp_path / "r.json"))

    @pytest.mark.parametrize("sections", [{}, {"annotations": [{}]}])
    def test_nothing_stays_on_disk(self, tmp_path, sections):
        file, spill = instances(tmp_path / "f.json", **sections), tmp_path / "spill"
        spill.mkdir()
        try:
            CocoIndex(file, folder=spill).close()
        except coco.MalformedItem:
            assert sections
        assert list(spill.iterdir()) == []

    def test_it_tells_how_far_it_is(self, file):
        told = []
        with CocoIndex(file, progress=lambda done, total, message="": told.append((done, message))):
            assert told == [(3, "3 annotations read")]


class TestReadingResults:
    ENTRY: ClassVar = {
        "image_id": 7,
        "category_id": 3,
        "score": 0.5,
        "segmentation": SQUARE,
        "bbox": [0, 0, 1, 1],
    }

    def test_a_list_of_predictions_is_read(self, tmp_path):
        (read,) = coco.read_results(results(tmp_path / "r.json", self.ENTRY))
        assert read == coco.CocoResult(0, 7, 3, 0.5, SQUARE)

    def test_so_is_an_object_that_keeps_them_under_annotations(self, tmp_path):
        (tmp_path / "r.json").write_text(' \n{"images": [], "annotations": [' + json.dumps(self.ENTRY) + "]}")
        assert [read.image_id for read in coco.read_results(tmp_path / "r.json")] == [7]

    def test_images_may_be_given_by_name(self, tmp_path):
        (read,) = coco.read_results(results(tmp_path / "r.json", {**self.ENTRY, "image_id": "a.jpg"}))
        assert read.image_id == "a.jpg"

    @pytest.mark.parametrize("score", [None, "high", 1.5, -0.1, True])
    def test_a_score_is_a_number_from_0_to_1(self, tmp_path, score):
        with pytest.raises(coco.MalformedItem, match=r"results\[0\].*'score'"):
            list(coco.read_results(results(tmp_path / "r.json", {**self.ENTRY, "score": score})))

    def test_rows_count_the_entries_of_the_file_the_unreadable_ones_too(self, tmp_path):
        file = results(tmp_path / "r.json", self.ENTRY, {}, self.ENTRY)
        assert [read.row for read in coco.read_results(file, problem=lambda problem: None)] == [0, 2]

    def test_no_predictions_are_no_error(self, tmp_path):
        assert list(coco.read_results(results(tmp_path / "r.json"))) == []


class TestWriting:
    def test_what_is_written_reads_back_and_loads_in_pycocotools(self, tmp_path):
        path = tmp_path / "new" / "out.json"
        coco.write_instances(
            path,
            info={"description": "test"},
            categories=CATEGORIES,
            images=IMAGES,
            annotations=iter(ANNOTATIONS),
        )
        document = json.loads(path.read_text())
        assert document == {
            "info": {"description": "test"},
            "categories": CATEGORIES,
            "images": IMAGES,
            "annotations": ANNOTATIONS,
        }
        assert COCO(str(path)).getAnnIds(catIds=[9]) == [2, 3]

    def test_empty_sections_are_empty_lists(self, tmp_path):
        coco.write_instances(tmp_path / "out.json", info={}, categories=[], images=[], annotations=[])
        assert json.loads((tmp_path / "out.json").read_text())["annotations"] == []

    def test_a_failure_on_the_way_leaves_what_was_there_and_nothing_else(self, tmp_path):
        def breaking():
            yield ANNOTATIONS[0]
            raise RuntimeError("lost the database")

        path = tmp_path / "out.json"
        path.write_text("before")
        with pytest.raises(RuntimeError):
            coco.write_instances(path, info={}, categories=[], images=[], annotations=breaking())
        assert path.read_text() == "before"
        assert list(tmp_path.iterdir()) == [path]
