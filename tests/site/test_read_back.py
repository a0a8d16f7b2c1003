"""Exports are read back: by the libraries that they are written for, and by this project itself."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from django.core.management import call_command
from numpy.typing import NDArray
from pycocotools.coco import COCO

from annotation_site.catalog.models import Annotation, Image, Mask, Project
from annotation_site.catalog.shards import finished_shards, read_shard
from annotation_site.results.formats import FORMATS
from annotation_site.results.formats.choice import Choice
from pipeline import masks
from pipeline.progress import silent
from tests.factories import NOON, paint
from tests.site.verified_projects import verified

pytestmark = pytest.mark.django_db(transaction=True)

SIZE = (48, 64)


@pytest.fixture(autouse=True)
def _own_artifacts(tmp_path: Path, settings) -> None:
    backend = "django.core.files.storage.FileSystemStorage"
    places = {
        name: {"BACKEND": backend, "OPTIONS": {"location": tmp_path / name}}
        for name in ("images", "artifacts")
    }
    settings.STORAGES = {**settings.STORAGES, **places}


@pytest.fixture
def project() -> Project:
    """32 accepted masks, each of a form of its own and in a photo of its own; 32 rejected ones."""
    project = verified([True] * 32 + [False] * 32)
    for mask in Mask.objects.filter(tree__round__project=project):
        pixels = shape(mask.position)
        x, y, width, height = masks.boxes([masks.encode(pixels)])[0].tolist()
        Mask.objects.filter(pk=mask.pk).update(
            counts=masks.encode(pixels)["counts"], x=x, y=y, width=width, height=height
        )
    return project


def shape(position: int) -> NDArray[np.bool_]:
    """A ring and a spot: a hole, and two parts."""
    pixels = np.zeros(SIZE, bool)
    pixels[4:20, 4 : 12 + position % 8], pixels[8:12, 6:9], pixels[30:36, 40 : 45 + position // 8] = (
        True,
        False,
        True,
    )
    return pixels


@pytest.fixture
def photos(project: Project, tmp_path: Path) -> Path:
    """The folder of the accepted masks' photos."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for image in Image.objects.filter(masks__position__lt=32):
        image.folder = folder
        paint(image)
    return folder


@pytest.fixture
def accepted(project: Project) -> dict[str, NDArray[np.bool_]]:
    """File name -> pixels of its accepted mask."""
    own = Mask.objects.filter(tree__round__project=project, position__lt=32)
    return {mask.image.name: shape(mask.position) for mask in own.select_related("image")}


def written(project: Project, name: str, folder: Path) -> Path:
    """The export; a folder where it is an archive."""
    path = folder / f"{name}{FORMATS[name].suffix}"
    FORMATS[name].write(project, Choice(), path, NOON, silent)
    if not zipfile.is_zipfile(path):
        return path
    with zipfile.ZipFile(path) as archive:
        archive.extractall(folder / name)
    return folder / name


def same(found: dict[str, NDArray[np.bool_]], accepted: dict[str, NDArray[np.bool_]]) -> bool:
    return found.keys() == accepted.keys() and all(np.array_equal(found[key], accepted[key]) for key in found)


@pytest.mark.parametrize("name", ["coco", "coco-polygons"])
def test_pycocotools_reads_exactly_the_masks(name: str, project: Project, accepted, tmp_path: Path) -> None:
    coco = COCO(str(written(project, name, tmp_path)))
    entries = coco.loadAnns(coco.getAnnIds(iscrowd=False))
    found = {coco.imgs[one["image_id"]]["file_name"]: coco.annToMask(one).astype(bool) for one in entries}
    assert len(entries) == 32
    assert found.keys() == accepted.keys()
    for key, pixels in found.items():
        if name == "coco":
            assert np.array_equal(pixels, accepted[key])
        else:  # It rasterises polygons by a rule of its own, that takes in the pixels on their edges.
            assert masks.iou([masks.encode(pixels)], [masks.encode(accepted[key])])[0, 0] > 0.7


def test_pycocotools_evaluates_an_export_against_itself(project: Project, tmp_path: Path) -> None:
    from pycocotools.cocoeval import COCOeval

    path = written(project, "coco", tmp_path)
    truth = COCO(str(path))
    found = truth.loadRes(json.loads(path.read_text())["annotations"])
    evaluation = COCOeval(truth, found, "segm")
    evaluation.evaluate(), evaluation.accumulate(), evaluation.summarize()
    assert evaluation.stats[0] == pytest.approx(1.0)


class TestSupervision:
    def test_coco(self, project: Project, photos: Path, accepted, tmp_path: Path) -> None:
        sv = pytest.importorskip("supervision")
        read = sv.DetectionDataset.from_coco(
            str(photos), str(written(project, "coco", tmp_path)), force_masks=True
        )
        found = {Path(path).name: one.mask[0] for path, one in read.annotations.items()}
        assert read.classes == [project.categories.get().name]
        assert same(found, accepted)

    def test_yolo(self, project: Project, photos: Path, accepted, tmp_path: Path) -> None:
        sv = pytest.importorskip("supervision")
        folder = written(project, "yolo", tmp_path)
        read = sv.DetectionDataset.from_yolo(
            str(photos), str(folder / "labels"), str(folder / "data.yaml"), force_masks=True
        )
        assert read.classes == [project.categories.get().name]
        assert len(read.annotations) == 32
        for path, one in read.annotations.items():
            (pixels,) = one.mask  # Rasterised with its edges, and its hole's seam.
            overlap = masks.iou(
                [masks.encode(pixels.astype(bool))], [masks.encode(accepted[Path(path).name])]
            )
            assert overlap[0, 0] > 0.7

    def test_pascal_voc(self, project: Project, photos: Path, accepted, tmp_path: Path) -> None:
        sv = pytest.importorskip("supervision")
        folder = written(project, "voc", tmp_path)
        read = sv.DetectionDataset.from_pascal_voc(str(photos), str(folder / "Annotations"))
        assert read.classes == [project.categories.get().name]
        for path, one in read.annotations.items():
            x, y, width, height = masks.boxes([masks.encode(accepted[Path(path).name])])[0]
            assert one.xyxy.tolist() == [[x, y, x + width, y + height]]


def test_torchvision_reads_the_masks_of_pascal_voc(
    project: Project, photos: Path, accepted, tmp_path: Path
) -> None:
    datasets = pytest.importorskip("torchvision.datasets")
    folder = written(project, "voc", tmp_path / "VOCdevkit")
    place = folder.rename(folder.parent / "VOC2012")
    photos.rename(place / "JPEGImages")
    lists = place / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    stems = [Path(name).stem for name in accepted]
    (lists / "train.txt").write_text("\n".join(stems))
    for name in accepted:  # Where it looks for photos, all are JPEG.
        (place / "JPEGImages" / name).rename(place / "JPEGImages" / f"{Path(name).stem}.jpg")
    read = datasets.VOCSegmentation(str(tmp_path), year="2012", image_set="train")
    found = {name: np.asarray(target) == 1 for name, (_, target) in zip(accepted, read, strict=True)}
    assert same(found, accepted)


def test_pyarrow_reads_the_rows_of_parquet(project: Project, accepted, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    rows = parquet.read_table(written(project, "parquet", tmp_path)).to_pylist()
    names = dict(Image.objects.values_list("pk", "name"))
    found = {
        names[row["image"]]: masks.decode(
            {"size": [row["height"], row["width"]], "counts": row["counts"].encode()}
        )
        for row in rows
    }
    assert same(found, accepted)


def test_fiftyone_imports_coco(project: Project, photos: Path, tmp_path: Path) -> None:
    fiftyone = pytest.importorskip(
        "fiftyone", reason="it demands versions that others here do not get along with"
    )
    path = written(project, "coco", tmp_path)
    read = fiftyone.Dataset.from_dir(
        dataset_type=fiftyone.types.COCODetectionDataset, data_path=str(photos), labels_path=str(path)
    )
    assert read.count("segmentations.detections") == 32


class TestTheLoop:
    """What was accepted in one project is ground truth, or predictions, in another."""

    @pytest.mark.parametrize("name", ["coco", "coco-polygons"])
    def test_as_ground_truth(
        self, name: str, project: Project, photos: Path, accepted, tmp_path: Path
    ) -> None:
        path = written(project, name, tmp_path)
        call_command("create_project", "Second", "--from-coco", str(path))
        call_command("import_images", "second", str(photos), "--annotations", str(path), "--role", "heldout")
        own = Annotation.objects.filter(image__project__slug="second").select_related("image", "category")
        assert same({one.image.name: masks.decode(one.rle) for one in own}, accepted)
        assert {one.category.name for one in own} == {project.categories.get().name}
        assert own.count() == 32

    @pytest.mark.parametrize("name", ["coco", "coco-polygons"])
    def test_as_predictions(
        self, name: str, project: Project, photos: Path, accepted, tmp_path: Path
    ) -> None:
        path, features = written(project, name, tmp_path), tmp_path / "features.npy"
        call_command("create_project", "Second", "--from-coco", str(path))
        call_command("import_images", "second", str(photos), "--role", "pool")
        np.save(features, np.arange(64, dtype=np.float32).reshape(32, 2))
        call_command("import_predictions", "second", str(path), "--features", str(features))
        names = dict(Image.objects.filter(project__slug="second").values_list("pk", "name"))
        (shard,) = finished_shards(Project.objects.get(slug="second").rounds.get(), "pool")
        with read_shard(shard) as reader:
            images, found = reader.column("images").tolist(), reader.predictions()
        read = {names[image]: masks.decode(rle) for image, rle in zip(images, found.masks, strict=True)}
        assert same(read, accepted)
        assert found.scores == pytest.approx(0.9)
