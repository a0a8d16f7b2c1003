"""Importing images: every format and mode, recognised by content, problems by name, nothing half written."""

from __future__ import annotations

import hashlib
import json
import os
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from django.core.files.storage import storages
from django.core.management import CommandError, call_command
from django.db import IntegrityError
from PIL import Image as Picture
from PIL import ImageOps

from annotation_site.catalog import importing, originals
from annotation_site.catalog.claims import Claims
from annotation_site.catalog.claims import Kind as Claim
from annotation_site.catalog.import_report import ImportRefused, Kind, Problem
from annotation_site.catalog.importing import AnnotationsNeeded, ImportBusy, NothingToImport, import_images
from annotation_site.catalog.models import Annotation, Image, Project, Role
from annotation_site.catalog.roles import InvalidShares, RoleShares
from pipeline import masks
from pipeline.coco import MalformedJson
from tests.factories import CategoryFactory, ProjectFactory
from tests.site.coco_folders import SQUARE, CocoFolder, noise

pytestmark = pytest.mark.django_db

POOL, HELDOUT = RoleShares.all(Role.POOL), RoleShares.all(Role.HELDOUT)
ORIENTATION = 0x0112


@pytest.fixture(autouse=True)
def _own_storage(tmp_path, settings):
    settings.STORAGES = {
        **settings.STORAGES,
        "images": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": tmp_path / "stored"},
        },
    }


@pytest.fixture
def project() -> Project:
    project = ProjectFactory()
    CategoryFactory(project=project, coco_id=17, name="car")
    return project


@pytest.fixture
def coco(tmp_path) -> CocoFolder:
    folder = tmp_path / "given"
    folder.mkdir()
    return CocoFolder(folder)


def heldout(project: Project, coco: CocoFolder, **options):
    return import_images(project=project, folder=coco.folder, roles=HELDOUT, annotations=coco.file, **options)


def pool(project: Project, coco: CocoFolder, **options):
    return import_images(project=project, folder=coco.folder, roles=POOL, **options)


def stored_files() -> list[Path]:
    root = Path(storages["images"].path(""))
    return [path for path in root.rglob("*") if path.is_file()]


def orientation(number: int):
    exif = Picture.Exif()
    exif[ORIENTATION] = number
    return exif


class TestFiles:
    @pytest.mark.parametrize("suffix", ["jpg", "jpeg", "JPG", "png", "webp", "tif", "tiff"])
    def test_each_format_is_kept_under_the_digest_of_its_bytes(self, project, coco, suffix):
        given = coco.picture(f"photo.{suffix}")
        assert pool(project, coco).taken["images"] == 1
        image = Image.objects.get()
        assert image.digest == hashlib.sha256(given.read_bytes()).hexdigest()
        assert (image.name, image.width, image.height, image.role) == (given.name, 32, 24, "pool")
        assert storages["images"].open(image.path).read() == given.read_bytes()

    @pytest.mark.parametrize("mode", ["L", "LA", "P", "1", "RGBA", "I;16", "CMYK", "F"])
    def test_any_mode_is_taken(self, project, coco, mode):
        picture = noise(1).convert("L") if mode == "I;16" else noise(1)
        suffix = "jpg" if mode == "CMYK" else "tif"
        if mode == "I;16":
            picture = Picture.fromarray(np.asarray(picture).astype(np.uint16) * 257)
        else:
            picture = picture.convert(mode)
        picture.save(coco.folder / f"photo.{suffix}")
        assert pool(project, coco).taken["images"] == 1

    def test_folders_below_are_searched_and_hidden_or_other_files_passed_over(self, project, coco):
        coco.picture("b/deep/two.png", seed=2)
        coco.picture("a/one.png", seed=1)
        coco.picture(".hidden/three.png", seed=3)
        (coco.folder / "._one.png").write_bytes(b"resource fork")
        (coco.folder / "notes.txt").write_text("not an image")
        assert not pool(project, coco).problems
        assert list(Image.objects.values_list("name", flat=True)) == ["a/one.png", "b/deep/two.png"]

    @pytest.mark.parametrize("number", range(1, 9))
    @pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
    def test_sizes_are_those_of_the_upright_image(self, project, coco, suffix, number):
        coco.picture(f"photo.{suffix}", exif=orientation(number))
        pool(project, coco)
        image = Image.objects.get()
        assert (image.width, image.height) == ((24, 32) if number >= 5 else (32, 24))

    def test_in_place_nothing_is_copied(self, project, coco):
        given = coco.picture("photo.png")
        pool(project, coco, in_place=True)
        assert Image.objects.get().path == str(given)
        assert not stored_files()

    def test_in_place_paths_do_not_depend_on_where_the_command_ran(self, project, coco, monkeypatch):
        given = coco.picture("photo.png")
        monkeypatch.chdir(coco.folder.parent)
        folder = Path("other", "..", coco.folder.name)
        Path("other").mkdir()
        import_images(project=project, folder=folder, roles=POOL, in_place=True)
        assert Image.objects.get().path == str(given)

    def test_the_same_file_in_two_projects_is_kept_once(self, project, coco):
        coco.picture("photo.png")
        pool(project, coco)
        pool(ProjectFactory(), coco)
        assert Image.objects.count() == 2
        assert len(stored_files()) == 1


class TestProblems:
    def test_broken_images_are_named_and_the_rest_imported(self, project, coco):
        whole = coco.picture("whole.jpg", size=(200, 200)).read_bytes()
        (coco.folder / "cut.jpg").write_bytes(whole[: len(whole) // 2])
        (coco.folder / "empty.png").write_bytes(b"")
        (coco.folder / "text.jpg").write_text("<html>404</html>")
        (coco.folder / "cut.png").write_bytes(coco.picture("x.png", seed=5).read_bytes()[:-300])
        report = pool(project, coco)
        assert report.taken["images"] == 2
        assert {problem.item for problem in report.examples[Kind.UNREADABLE]} == {
            "cut.jpg",
            "empty.png",
            "text.jpg",
            "cut.png",
        }

    @pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
    def test_no_damage_to_a_file_ends_the_import(self, project, coco, suffix):
        whole = coco.picture(f"whole.{suffix}", size=(64, 64)).read_bytes()
        rng = np.random.default_rng(0)
        for number in range(60):
            damaged = bytearray(whole[: rng.integers(1, len(whole) + 1)])
            for place in rng.integers(0, len(damaged), size=5):
                damaged[place] = rng.integers(256)
            (coco.folder / f"damaged-{number}.{suffix}").write_bytes(damaged)
        report = pool(project, coco)
        assert report.taken["images"] + report.problems.total() == 61

    def test_an_image_over_the_limit_is_left_out_before_it_is_decoded(self, project, coco):
        coco.picture("large.png", size=(100, 50))
        coco.picture("small.png", size=(10, 10), seed=3)
        report = pool(project, coco, max_pixels=4999)
        assert [str(p) for p in report.examples[Kind.OVERSIZED]] == [
            "large.png: 100 x 50 is more than 4,999 pixels"
        ]
        assert Image.objects.get().name == "small.png"

    def test_a_decompression_bomb_is_left_out(self, project, coco, monkeypatch):
        monkeypatch.setattr(Picture, "MAX_IMAGE_PIXELS", 100)
        coco.picture("bomb.png", size=(100, 50))
        assert pool(project, coco).problems == {Kind.OVERSIZED: 1}

    def test_a_copy_under_another_name_is_a_duplicate(self, project, coco):
        coco.picture("a.png", seed=1)
        coco.picture("b.png", seed=1)
        report = pool(project, coco)
        assert [str(p) for p in report.examples[Kind.DUPLICATE]] == ["b.png: the same as a.png"]
        assert Image.objects.get().name == "a.png"

    def test_so_is_a_copy_of_an_image_imported_before(self, project, coco):
        first = coco.picture("a.png", seed=1)
        pool(project, coco)
        first.rename(coco.folder / "renamed.png")
        report = pool(project, coco)
        assert [str(p) for p in report.examples[Kind.DUPLICATE]] == ["renamed.png: the same as a.png"]

    def test_an_image_keeps_its_role_and_the_conflict_is_named(self, project, coco):
        coco.add("a.png", SQUARE)
        heldout(project, coco)
        report = pool(project, coco)
        assert [str(p) for p in report.examples[Kind.ROLE_CONFLICT]] == [
            "a.png: there as heldout (a.png), not pool"
        ]
        assert Image.objects.get().role == "heldout"

    @pytest.mark.parametrize("name", [b"caf\xe9.png", ("x" * 240 + "/" + "y" * 240 + ".png").encode()])
    def test_a_name_that_cannot_be_stored_is_reported(self, project, coco, name):
        path = coco.folder / os.fsdecode(name)
        try:
            path.parent.mkdir(exist_ok=True, parents=True)
            with path.open("wb") as file:
                noise(4).save(file, "png")
        except OSError as error:
            pytest.skip(f"this file system has no such names ({error})")
        assert pool(project, coco).problems == {Kind.BAD_NAME: 1}

    def test_a_file_without_permission_is_named(self, project, coco, monkeypatch):
        coco.picture("a.png", seed=1)
        coco.picture("locked.png", seed=2)
        real = originals.digest

        def refusing(path: Path) -> str:
            if path.name == "locked.png":
                raise PermissionError("Permission denied")
            return real(path)

        monkeypatch.setattr(originals, "digest", refusing)
        report = pool(project, coco)
        assert [p.item for p in report.examples[Kind.UNREADABLE]] == ["locked.png"]

    def test_every_problem_reaches_the_listener_and_the_report_names_the_first_ones(self, project, coco):
        for number in range(30):
            (coco.folder / f"{number:02}.png").write_bytes(b"no %d" % number)
        heard: list[Problem] = []
        report = pool(project, coco, listener=heard.append)
        assert len(heard) == report.problems[Kind.UNREADABLE] == 30
        assert len(report.examples[Kind.UNREADABLE]) == 20
        assert report.lines()[0] == "30 × image broken or truncated"
        assert report.lines()[-1].strip() == "…"


class TestAnnotations:
    def test_masks_of_every_form_are_stored(self, project, coco):
        mask = np.zeros((24, 32), bool)
        mask[3:9, 4:20] = True
        packed = masks.encode(mask)["counts"].decode()
        coco.add("a.png", SQUARE, {"size": [24, 32], "counts": packed}, [*SQUARE, [20, 10, 30, 10, 30, 20]])
        coco.annotate(1, {"size": [24, 32], "counts": [100, 50, 618]}, iscrowd=1)
        assert heldout(project, coco).taken["annotations"] == 4
        square, rle, parts, crowd = Annotation.objects.order_by("coco_id")
        assert (square.box, square.area) == ((2, 2, 8, 6), 48)
        assert np.array_equal(masks.decode(rle.rle), mask)
        assert parts.area > square.area
        assert (crowd.is_crowd, crowd.area, rle.is_crowd) == (True, 50, False)

    def test_ids_are_kept_and_categories_found_by_name(self, project, coco):
        coco.categories = [{"id": 99, "name": "car"}]
        image = coco.add("a.png", id=4711)
        coco.annotate(image, id=815, category_id=99)
        heldout(project, coco)
        annotation = Annotation.objects.get()
        assert (annotation.coco_id, annotation.image.coco_id, annotation.category.coco_id) == (815, 4711, 17)

    def test_images_that_the_file_does_not_list_stay_out(self, project, coco):
        coco.add("a.png", SQUARE)
        coco.picture("unlisted.png", seed=77)
        assert heldout(project, coco).taken == {"images": 1, "annotations": 1}

    def test_an_image_without_objects_is_annotated_too(self, project, coco):
        coco.add("empty street.png")
        assert heldout(project, coco).taken["images"] == 1

    @pytest.mark.parametrize("written", ["sub/a.png", "sub\\a.png", "elsewhere/a.png", "/data/coco/a.png"])
    def test_files_are_found_by_their_path_else_by_their_name(self, project, coco, written):
        coco.picture("sub/a.png" if "sub" in written else "a.png")
        coco.add(written, SQUARE, picture=False)
        assert heldout(project, coco).taken["images"] == 1

    def test_no_file_outside_the_folder_is_read(self, project, coco):
        noise(1).save(coco.folder.parent / "secret.png")
        coco.add("../secret.png", SQUARE, picture=False)
        assert heldout(project, coco).problems == {Kind.MISSING: 1}

    def test_all_that_is_wrong_is_counted_by_name_and_the_rest_imported(self, project, coco):
        coco.categories.append({"id": 2, "name": "unicorn"})
        good = coco.add("a.png", SQUARE)
        coco.add("gone.png", SQUARE, picture=False)
        coco.add("resized.png", SQUARE, width=640, height=480)
        coco.annotate(good, category_id=2)
        coco.annotate(good, category_id=2)
        coco.annotate(good, category_id=55)
        coco.annotate(good, [[100, 100, 120, 100, 120, 120]])
        coco.annotate(good, [[1, 2, 3, 4]])
        coco.annotate(good, {"size": [24, 32], "counts": "oops"})
        coco.annotate(good, id=1)
        coco.annotate(999)
        coco.annotations.append({"id": 50, "image_id": good})
        report = heldout(project, coco)
        assert report.taken == {"images": 1, "annotations": 1}
        assert report.problems == {
            Kind.MISSING: 1,
            Kind.SIZE_CONFLICT: 1,
            Kind.UNKNOWN_CATEGORY: 3,
            Kind.OUTSIDE: 1,
            Kind.INVALID_MASK: 2,
            Kind.DUPLICATE_ANNOTATION: 1,
            Kind.UNKNOWN_IMAGE: 1,
            Kind.MALFORMED_ITEM: 1,
        }
        assert report.unknown_categories == {"unicorn": 2, "id 55": 1}
        assert "resized.png: 32 x 24, not 640 x 480" in "\n".join(report.lines())

    def test_what_lies_outside_the_image_is_cut_off(self, project, coco):
        coco.add("a.png", [[-10, -10, 5, -10, 5, 5, -10, 5]])
        heldout(project, coco)
        assert Annotation.objects.get().box == (0, 0, 5, 5)

    @pytest.mark.parametrize("number", [5, 6, 7, 8])
    @pytest.mark.parametrize("suffix", ["jpg", "png", "tif"])
    def test_masks_drawn_on_the_stored_pixels_turn_with_the_image(self, project, coco, suffix, number):
        mask = np.zeros((24, 32), bool)
        mask[2:8, 2:10] = True
        name = f"a.{suffix}"
        picture = Picture.fromarray(np.repeat(mask[:, :, None] * np.uint8(255), 3, axis=2))
        picture.save(coco.folder / name, exif=orientation(number))
        coco.add(name, SQUARE, picture=False)
        heldout(project, coco)
        with Picture.open(coco.folder / name) as stored:
            upright = np.asarray(ImageOps.exif_transpose(stored))[:, :, 0] > 127
        assert np.array_equal(masks.decode(Annotation.objects.get().rle), upright)

    def test_masks_drawn_on_the_upright_image_stay(self, project, coco):
        coco.picture("a.jpg", exif=orientation(6))
        coco.add("a.jpg", SQUARE, picture=False, width=24, height=32)
        heldout(project, coco)
        assert Annotation.objects.get().box == (2, 2, 8, 6)

    def test_an_entry_without_a_size_takes_the_images(self, project, coco):
        coco.add("a.png", SQUARE, width=None, height=None)
        assert heldout(project, coco).taken["annotations"] == 1

    def test_held_out_and_initial_images_need_annotations(self, project, coco):
        coco.picture("a.png")
        with pytest.raises(AnnotationsNeeded, match="heldout images need annotations"):
            import_images(project=project, folder=coco.folder, roles=HELDOUT)

    def test_a_broken_file_of_annotations_imports_nothing(self, project, coco):
        coco.add("a.png", SQUARE)
        broken = coco.folder / "broken.json"
        broken.write_text(coco.file.read_text()[:-40])
        with pytest.raises(MalformedJson, match=r"broken\.json"):
            import_images(project=project, folder=coco.folder, roles=HELDOUT, annotations=broken)
        assert not Image.objects.exists()


class TestRunningAgain:
    def test_nothing_comes_in_twice(self, project, coco):
        coco.add("a.png", SQUARE, SQUARE)
        coco.add("b.png", SQUARE)
        heldout(project, coco)
        before = list(Image.objects.values()), list(Annotation.objects.values_list("id"))
        report = heldout(project, coco)
        assert report.taken == {"images already there": 2, "images": 0, "annotations": 0}
        assert (list(Image.objects.values()), list(Annotation.objects.values_list("id"))) == before

    def test_a_folder_that_has_grown_adds_what_is_new(self, project, coco):
        coco.picture("a.png", seed=1)
        pool(project, coco)
        coco.picture("b.png", seed=2)
        assert pool(project, coco).taken == {"images already there": 1, "images": 1, "annotations": 0}

    def test_pool_images_can_get_their_annotations_later(self, project, coco):
        coco.add("a.png", SQUARE)
        pool(project, coco)
        report = pool(project, coco, annotations=coco.file)
        assert report.taken["annotations"] == 1
        assert Image.objects.get().coco_id == 1
        assert not pool(project, coco, annotations=coco.file).taken["annotations"]

    def test_what_is_listed_later_without_objects_is_known_to_have_none(self, project, coco):
        coco.add("empty street.png")
        coco.picture("unlisted.png", seed=77)
        pool(project, coco)
        assert pool(project, coco, annotations=coco.file).taken == {
            "images already there": 1,
            "images": 0,
            "annotations": 0,
        }
        listed = Image.objects.filter(coco_id__isnull=False)
        assert list(listed.values_list("name", "coco_id")) == [("empty street.png", 1)]
        stamps = list(Image.objects.order_by("pk").values())
        pool(project, coco, annotations=coco.file)
        assert list(Image.objects.order_by("pk").values()) == stamps

    def test_an_import_that_failed_in_the_middle_goes_on(self, project, coco, monkeypatch):
        monkeypatch.setattr(importing, "BATCH", 2)
        for number in range(5):
            coco.add(f"{number}.png", SQUARE)
        calls = []

        def full(*args, **kwargs):
            calls.append(args)
            if len(calls) == 4:
                raise OSError("No space left on device")
            return real(*args, **kwargs)

        real = originals.keep
        monkeypatch.setattr(originals, "keep", full)
        with pytest.raises(OSError, match="No space left"):
            heldout(project, coco)
        assert (Image.objects.count(), Annotation.objects.count()) == (2, 2)
        monkeypatch.setattr(originals, "keep", real)
        heldout(project, coco)
        assert (Image.objects.count(), Annotation.objects.count()) == (5, 5)

    def test_a_batch_is_written_whole_or_not_at_all(self, project, coco, monkeypatch):
        coco.add("a.png", SQUARE)

        def broken(*args, **kwargs):
            raise IntegrityError("lost")

        monkeypatch.setattr(Annotation.objects, "bulk_create", broken)
        with pytest.raises(IntegrityError):
            heldout(project, coco)
        assert not Image.objects.exists()

    def test_a_file_that_was_half_copied_is_copied_again(self, project, coco, monkeypatch):
        coco.picture("a.png")

        def killed(source, target):
            Path(target).write_bytes(Path(source).read_bytes()[:10])
            raise KeyboardInterrupt

        monkeypatch.setattr(originals.shutil, "copyfile", killed)
        with pytest.raises(KeyboardInterrupt):
            pool(project, coco)
        assert not stored_files()
        monkeypatch.undo()

    @pytest.mark.django_db(transaction=True)
    def test_two_imports_into_a_project_do_not_meet(self, project, coco):
        coco.picture("a.png")
        with Claims() as other:
            assert other.take(Claim.IMPORT, project.pk)
            with pytest.raises(ImportBusy, match=project.slug):
                pool(project, coco)
        assert pool(project, coco).taken["images"] == 1


class TestStrict:
    def test_problems_refuse_everything(self, project, coco):
        coco.add("a.png", SQUARE)
        coco.add("gone.png", picture=False)
        with pytest.raises(ImportRefused, match=r"(?s)Nothing was imported.*gone\.png"):
            heldout(project, coco, strict=True)
        assert not Image.objects.exists()
        assert not stored_files()

    def test_malformed_entries_count_too(self, project, coco):
        coco.add("a.png", SQUARE)
        coco.annotations.append({})
        with pytest.raises(ImportRefused, match=r"annotations\[1\]"):
            heldout(project, coco, strict=True)

    def test_duplicates_are_seen_across_batches(self, project, coco, monkeypatch):
        monkeypatch.setattr(importing, "BATCH", 1)
        coco.picture("a.png", seed=1)
        coco.picture("b.png", seed=1)
        with pytest.raises(ImportRefused, match=r"b\.png: the same as a\.png"):
            pool(project, coco, strict=True)

    def test_without_problems_all_is_imported(self, project, coco):
        coco.add("a.png", SQUARE)
        assert heldout(project, coco, strict=True).taken == {"images": 1, "annotations": 1}
        assert len(stored_files()) == 1


class TestShares:
    def test_images_are_divided_by_their_content_about_as_asked(self):
        shares = RoleShares.parse("heldout=0.25, pool=0.75")
        digests = [hashlib.sha256(bytes([n % 256, n // 256])).hexdigest() for n in range(4000)]
        heldout = sum(shares.role_of(digest) is Role.HELDOUT for digest in digests)
        assert 900 < heldout < 1100
        assert [shares.role_of(d) for d in digests] == [shares.role_of(d) for d in digests]

    def test_another_seed_divides_otherwise(self):
        digests = [f"{n:064x}" for n in range(200)]
        one, two = (RoleShares.parse("heldout=0.5,pool=0.5", seed=seed) for seed in (1, 2))
        assert [one.role_of(d) for d in digests] != [two.role_of(d) for d in digests]

    def test_running_again_meets_no_conflict(self, project, coco):
        for number in range(12):
            coco.add(f"{number}.png", SQUARE)
        shares = RoleShares.parse("heldout=0.5,pool=0.5")
        for _ in range(2):
            report = import_images(project=project, folder=coco.folder, roles=shares, annotations=coco.file)
            assert not report.problems
        assert set(Image.objects.values_list("role", flat=True)) == {"heldout", "pool"}

    @pytest.mark.parametrize("text", ["", "pool", "pool=x", "sea=1", "pool=0.5", "pool=1.5,heldout=-0.5"])
    def test_other_shares_are_refused(self, text):
        with pytest.raises(InvalidShares):
            RoleShares.parse(text)


class TestCommand:
    def run(self, *arguments: object) -> str:
        out = StringIO()
        call_command("import_images", *map(str, arguments), stdout=out)
        return out.getvalue()

    def test_it_tells_what_came_in_and_what_did_not(self, project, coco, capfd):
        coco.add("a.png", SQUARE)
        coco.add("gone.png", picture=False)
        log = coco.folder / "problems.jsonl"
        out = self.run(
            project.slug, coco.folder, "--annotations", coco.file, "--role", "heldout", "--problems", log
        )
        assert "Imported: 1 images, 1 annotations" in out
        assert "1 × image missing" in out
        assert "gone.png" in out
        assert json.loads(log.read_text())["item"] == "gone.png"
        assert "Import: 2 of 2" in capfd.readouterr().err

    def test_it_divides_by_shares(self, project, coco):
        coco.add("a.png", SQUARE)
        self.run(project.slug, coco.folder, "--annotations", coco.file, "--split", "heldout=0.5,pool=0.5")
        assert Image.objects.count() == 1

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (("nobody", "{folder}", "--role", "pool"), "nobody"),
            (("{project}", "/nowhere", "--role", "pool"), "not a folder"),
            (("{project}", "{folder}", "--role", "pool"), "has no JPEG"),
            (("{project}", "{folder}", "--role", "initial"), "need annotations"),
            (("{project}", "{folder}", "--split", "sea=1"), "ROLE=SHARE"),
            (("{project}", "{folder}", "--role", "pool", "--annotations", "/nowhere.json"), r"nowhere\.json"),
        ],
    )
    def test_what_cannot_begin_ends_with_a_message(self, project, coco, arguments, message):
        filled = [text.format(project=project.slug, folder=coco.folder) for text in arguments]
        with pytest.raises(CommandError, match=message):
            self.run(*filled)

    def test_nothing_is_imported_from_an_empty_folder(self, project, coco):
        with pytest.raises(NothingToImport):
            pool(project, coco)


class TestManyImages:
    def test_the_rows_in_memory_are_those_of_a_batch(self, project, coco, monkeypatch):
        """However long the list of images, no more of it is held than a batch."""
        monkeypatch.setattr(importing, "BATCH", 4)
        for number in range(20):
            coco.add(f"{number}.png", SQUARE)
        held, most = [0], [0]
        real = importing.candidates.is_usable

        def counted(candidate, report):
            held[0] += 1
            most[0] = max(most[0], held[0])
            return real(candidate, report)

        monkeypatch.setattr(importing.candidates, "is_usable", counted)

        def progress(done: int, total: int, message: str = "") -> None:
            held[0] = 0

        heldout(project, coco, progress=progress)
        assert (most[0], Image.objects.count()) == (4, 20)
