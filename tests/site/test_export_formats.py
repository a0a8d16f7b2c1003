"""Every format holds the accepted masks, whole or not at all, and reads back with what it is for."""

from __future__ import annotations

import csv
import json
import xml.etree.ElementTree as Xml
import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from django.core.management import call_command
from PIL import Image as Picture

from annotation_site.catalog.models import Image, Mask, Project
from annotation_site.results.formats import FORMATS
from annotation_site.results.formats.choice import Choice
from annotation_site.verification.answering import undo_answer
from annotation_site.verification.models import Judgment
from pipeline import masks
from pipeline.progress import silent
from tests.factories import NOON
from tests.site.campaigns import Person, masks_only, opened, project_with_tree
from tests.site.verified_projects import own_images, verified

pytestmark = pytest.mark.django_db


def write(project: Project, name: str, folder: Path, choice: Choice | None = None) -> Path:
    path = folder / f"out{FORMATS[name].suffix}"
    FORMATS[name].write(project, choice or Choice(), path, NOON, silent)
    return path


def half_right() -> Project:
    return verified([True] * 32 + [False] * 32)


def ring() -> np.ndarray:
    """A ring and a spot: a hole, and two parts."""
    pixels = np.zeros((48, 64), bool)
    pixels[5:25, 5:25], pixels[10:15, 10:15], pixels[30:34, 40:50] = True, False, True
    return pixels


def shape(project: Project, position: int, pixels: np.ndarray) -> Image:
    """Give the mask at a leaf this form; its image."""
    mask = Mask.objects.get(tree__round__project=project, position=position)
    Mask.objects.filter(pk=mask.pk).update(counts=masks.encode(pixels)["counts"])
    return mask.image


def name_in(archive: zipfile.ZipFile, image: Image, suffix: str) -> str:
    stem = Path(image.name).stem
    (found,) = [name for name in archive.namelist() if Path(name).stem == stem and name.endswith(suffix)]
    return found


OF_MASKS = [name for name in FORMATS if name != "predictions"]
"""Those of held-out predictions have tests of their own."""


@pytest.mark.parametrize("name", OF_MASKS)
def test_each_counts_what_it_wrote_and_reports_its_progress(tmp_path, name):
    project, told = half_right(), []
    path = tmp_path / "out"
    written = FORMATS[name].write(project, Choice(), path, NOON, lambda *step: told.append(step))
    assert written == (Judgment.objects.count() if name == "answers" else 32)
    assert told[-1][0] == told[-1][1] > 0


@pytest.mark.parametrize("name", OF_MASKS)
def test_a_failure_leaves_what_was_there(tmp_path, name):
    project, path = half_right(), tmp_path / "out"
    path.write_text("before")

    def stop(*_step: object) -> None:
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError):
        FORMATS[name].write(project, Choice(), path, NOON, stop)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


class TestPanoptic:
    def test_segments_of_the_png_are_those_of_the_json(self, tmp_path):
        project = half_right()
        image = shape(project, 3, ring())
        with zipfile.ZipFile(write(project, "panoptic", tmp_path)) as archive:
            document = json.loads(archive.read("panoptic.json"))
            (entry,) = [e for e in document["annotations"] if e["image_id"] == image.pk]
            colours = np.asarray(
                Picture.open(BytesIO(archive.read(f"panoptic/{entry['file_name']}")))
            ).astype(int)
        ids = colours[..., 0] + 256 * colours[..., 1] + 256**2 * colours[..., 2]
        (segment,) = entry["segments_info"]
        assert np.array_equal(ids == segment["id"], ring())
        assert (segment["area"], segment["bbox"]) == (ring().sum(), [5, 5, 45, 29])
        assert len(document["images"]) == len(document["annotations"]) == 32
        assert [category["isthing"] for category in document["categories"]] == [1]

    def test_where_masks_overlap_the_better_is_seen_and_hidden_ones_go(self, tmp_path):
        project = half_right()
        one, two, three = Mask.objects.filter(position__lt=3).order_by("position")
        small = np.zeros((48, 64), bool)
        small[12:15, 12:15] = True
        Mask.objects.filter(pk__in=[two.pk, three.pk]).update(image=one.image)
        for mask, score in ((one, 0.5), (two, 0.9), (three, 0.3)):
            Mask.objects.filter(pk=mask.pk).update(score=score)
        shape(project, 1, small), shape(project, 2, small)
        with zipfile.ZipFile(write(project, "panoptic", tmp_path)) as archive:
            document = json.loads(archive.read("panoptic.json"))
        (entry,) = [e for e in document["annotations"] if e["image_id"] == one.image_id]
        assert sorted(segment["area"] for segment in entry["segments_info"]) == [9, 320 - 9]


class TestYolo:
    def test_a_line_is_a_class_and_one_polygon_that_gives_back_the_mask(self, tmp_path):
        project = half_right()
        image = shape(project, 3, ring())
        with zipfile.ZipFile(write(project, "yolo", tmp_path)) as archive:
            (line,) = archive.read(name_in(archive, image, ".txt")).decode().splitlines()
            names = archive.read("images.txt").decode().splitlines()
            described = archive.read("data.yaml").decode()
        number, *shares = line.split()
        corners = np.array(shares, float).reshape(-1, 2) * [64, 48]
        read = masks.from_coco([corners.ravel().tolist()], height=48, width=64)
        assert number == "0"
        assert np.array_equal(masks.decode(read), ring())
        assert len(names) == 32
        assert f"0: '{project.categories.get().name}'" in described


class TestVoc:
    def test_classes_objects_and_boxes_are_there(self, tmp_path):
        project = half_right()
        image = shape(project, 3, ring())
        with zipfile.ZipFile(write(project, "voc", tmp_path)) as archive:
            pictures = [
                Picture.open(BytesIO(archive.read(f"{folder}/{Path(image.name).stem}.png")))
                for folder in ("SegmentationClass", "SegmentationObject")
            ]
            boxes = Xml.fromstring(archive.read(f"Annotations/{Path(image.name).stem}.xml"))
            labels = archive.read("labels.txt").decode().splitlines()
        assert [picture.mode for picture in pictures] == ["P", "P"]
        assert all(np.array_equal(np.asarray(picture) == 1, ring()) for picture in pictures)
        assert pictures[0].getpalette()[3:6] == [128, 0, 0]
        assert boxes.findtext("object/name") == project.categories.get().name == labels[1]
        assert [boxes.findtext(f"size/{side}") for side in ("width", "height")] == ["64", "48"]


class TestParquet:
    def test_a_row_has_the_mask_and_why_it_was_accepted(self, tmp_path):
        parquet = pytest.importorskip("pyarrow.parquet")
        project = half_right()
        table = parquet.read_table(write(project, "parquet", tmp_path, Choice("all"))).to_pylist()
        assert len(table) == 64
        row = table[3]
        mask = Mask.objects.get(position=3)
        assert (row["mask"], row["image"], row["decision"]) == (mask.pk, mask.image_id, "accepted")
        read = masks.decode({"size": [row["height"], row["width"]], "counts": row["counts"].encode()})
        assert np.array_equal(read, masks.decode(mask.rle))
        assert row["yes"] >= 12
        assert {other["decision"] for other in table[32:]} == {"rejected"}


class TestAnswers:
    def test_nothing_that_was_said_is_left_out(self, tmp_path):
        project = project_with_tree([True] * 32)
        own_images(project)
        person = Person.of(opened(project))
        item = masks_only(person.open())[0]
        person.answer(item)
        undo_answer(item_key=item.key, assignment_id=item.assignment_id, at=person.clock())
        person.answer(item)
        with write(project, "answers", tmp_path).open() as file:
            first, second = csv.DictReader(file)
        assert (first["says"], first["retracted_because"]) == ("yes", "undone by the worker")
        assert (second["retracted_at"], second["is_gold"], second["mask"]) == (
            "",
            "False",
            str(item.question.mask_id),
        )
        assert "Ada" not in first.values()


def test_images_whose_names_differ_in_their_suffix_alone_are_kept_apart(tmp_path):
    project = half_right()
    one, two = Image.objects.filter(project=project, role="pool").order_by("pk")[:2]
    for image, name in ((one, "same.png"), (two, "same.jpg")):
        Image.objects.filter(pk=image.pk).update(name=name)
    with zipfile.ZipFile(write(project, "yolo", tmp_path)) as archive:
        same = [name for name in archive.namelist() if "same" in name]
    assert sorted(same) == [f"labels/same-{two.pk}.txt", "labels/same.txt"]


def test_images_without_a_mask_are_listed_on_request(tmp_path):
    project = half_right()
    with zipfile.ZipFile(write(project, "yolo", tmp_path, Choice(every_image=True))) as archive:
        texts = [archive.read(name) for name in archive.namelist() if name.startswith("labels/")]
    assert (len(texts), texts.count(b"")) == (64, 32)


def test_the_command_writes_any_of_them(tmp_path):
    call_command("export", half_right().slug, str(tmp_path / "o.zip"), "--format", "voc")
    assert zipfile.is_zipfile(tmp_path / "o.zip")
