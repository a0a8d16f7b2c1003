"""Imports in the background: uploads in pieces, zips of strangers, folders and buckets that are allowed."""

from __future__ import annotations

import io
import zipfile
from datetime import timedelta
from pathlib import Path

import fsspec
import pytest

from annotation_site.catalog import jobs
from annotation_site.catalog.claims import Claims, Kind
from annotation_site.catalog.models import Image, Project, Role
from annotation_site.catalog.roles import RoleShares
from annotation_site.catalog.stages import Interrupted
from annotation_site.catalog.storage import artifacts
from annotation_site.preparing import allowed, archives, imports, pieces, uploads
from annotation_site.preparing.allowed import PlaceRefused
from annotation_site.preparing.buckets import BucketUnavailable
from annotation_site.preparing.imports import CannotStart, Wish
from annotation_site.preparing.models import ImportRun, UploadedFile
from annotation_site.preparing.uploads import Announced, OutOfOrder, UploadRefused
from tests.factories import NOON, CategoryFactory, ProjectFactory
from tests.site.bringing_in import POOL, folder_bytes, uploaded, zipped
from tests.site.buckets import KEYS, new_bucket
from tests.site.coco_folders import SQUARE, CocoFolder
from workers import tasks

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("own_storages")]
background = pytest.mark.django_db(transaction=True)
"""For work that tells how far it is on a connection of its own."""

HELDOUT = Wish(RoleShares.all(Role.HELDOUT))


@pytest.fixture
def project() -> Project:
    project = ProjectFactory()
    CategoryFactory(project=project, coco_id=1, name="car")
    return project


@pytest.fixture
def coco(tmp_path) -> CocoFolder:
    folder = tmp_path / "given"
    folder.mkdir()
    coco = CocoFolder(folder)
    coco.add("a.png", SQUARE)
    coco.add("sub/b.png", SQUARE, SQUARE)
    return coco


def content(coco: CocoFolder) -> dict[str, bytes]:
    coco.file  # noqa: B018  # writes it
    return folder_bytes(coco.folder)


def done(run: ImportRun) -> ImportRun:
    tasks.run_import(run.pk)
    run.refresh_from_db()
    return run


class TestUploads:
    @background
    def test_loose_files_are_imported_with_the_only_json_as_their_coco_file(self, project, coco):
        run = done(uploaded(project, content(coco), HELDOUT))
        assert (run.state, run.report["taken"]) == ("done", {"images": 2, "annotations": 3})
        assert set(project.images.values_list("role", "name")) == {
            ("heldout", "a.png"),
            ("heldout", "sub/b.png"),
        }

    @background
    def test_what_was_uploaded_is_gone_once_it_is_imported(self, project, coco):
        run = done(uploaded(project, content(coco), HELDOUT))
        assert not UploadedFile.objects.exists()
        assert not artifacts().exists(f"{uploads.folder_of(run)}/files/0/000000")

    @background
    def test_images_of_a_zip_are_found_in_whatever_folder_they_lie(self, project, coco):
        inside = {
            f"set/{'images/' if name.endswith('png') else ''}{name}": data
            for name, data in content(coco).items()
        }
        run = done(uploaded(project, {"set.zip": zipped(inside)}, HELDOUT))
        assert run.report == {"taken": {"images": 2, "annotations": 3}, "problems": []}

    @background
    def test_a_division_by_shares_gives_every_image_its_role(self, project, coco):
        for number in range(40):
            coco.add(f"{number}.png", SQUARE)
        shares = RoleShares({Role.INITIAL: 0.5, Role.HELDOUT: 0.25, Role.POOL: 0.25}, seed=3)
        done(uploaded(project, {"all.zip": zipped(content(coco))}, Wish(shares)))
        assert {image.role for image in Image.objects.all()} == {"initial", "heldout", "pool"}
        assert all(image.role == shares.role_of(image.digest) for image in Image.objects.all())

    @background
    def test_a_file_of_many_pieces_is_read_as_one(self, project, coco, monkeypatch):
        for module in (pieces, uploads):
            monkeypatch.setattr(module, "PIECE", 100)
        run = uploaded(project, {"set.zip": zipped(content(coco), method=zipfile.ZIP_STORED)}, HELDOUT)
        assert len(artifacts().listdir(f"{uploads.folder_of(run)}/files/0")[1]) > 10
        assert done(run).report["taken"]["images"] == 2

    def test_the_same_list_goes_on_where_it_broke(self, project, monkeypatch):
        monkeypatch.setattr(uploads, "PIECE", 10)
        listed = [Announced("a.png", 25)]
        first = imports.begin_upload(project=project, files=listed, wish=POOL, by=None, at=NOON)
        file = first.files.get()
        assert uploads.receive(file=file, at=0, content=io.BytesIO(b"x" * 10)) == 10
        again = imports.begin_upload(project=project, files=listed, wish=HELDOUT_OF_ZIP, by=None, at=NOON)
        assert (again.pk, again.files.get().received, again.shares) == (first.pk, 10, {"pool": 1.0})
        with pytest.raises(OutOfOrder, match="10 bytes are there"):
            uploads.receive(file=file, at=0, content=io.BytesIO(b"x" * 10))
        with pytest.raises(UploadRefused, match="1 files are not here yet"):
            uploads.finish(again)

    @pytest.mark.parametrize("length", [9, 11])
    def test_a_piece_of_another_length_is_refused(self, project, monkeypatch, length):
        monkeypatch.setattr(uploads, "PIECE", 10)
        run = imports.begin_upload(
            project=project, files=[Announced("a.png", 25)], wish=POOL, by=None, at=NOON
        )
        with pytest.raises(UploadRefused, match="has 10 bytes, not"):
            uploads.receive(file=run.files.get(), at=0, content=io.BytesIO(b"x" * length))

    @pytest.mark.parametrize("name", ["../a.png", "/etc/a.png", "a/../../b.png", "C:\\a.png", "", "a\0.png"])
    def test_names_that_lead_elsewhere_are_refused(self, project, name):
        with pytest.raises(UploadRefused, match="is no name of a file"):
            imports.begin_upload(project=project, files=[Announced(name, 1)], wish=POOL, by=None, at=NOON)

    def test_uploads_of_a_project_have_a_limit(self, project, settings):
        settings.UPLOAD_LIMIT = 100
        imports.begin_upload(project=project, files=[Announced("a.png", 60)], wish=POOL, by=None, at=NOON)
        with pytest.raises(UploadRefused, match="UPLOAD_LIMIT"):
            imports.begin_upload(project=project, files=[Announced("b.png", 60)], wish=POOL, by=None, at=NOON)

    def test_annotated_roles_need_a_coco_file(self, project):
        with pytest.raises(CannotStart, match="heldout images need annotations"):
            imports.begin_upload(
                project=project, files=[Announced("a.png", 1)], wish=HELDOUT, by=None, at=NOON
            )

    @background
    def test_of_several_json_files_one_has_to_be_named(self, project, coco):
        files = {**content(coco), "other.json": b"{}"}
        run = done(uploaded(project, files, HELDOUT))
        assert run.state == "failed"
        assert "say which is the COCO file: instances.json, other.json" in run.error
        named = Wish(HELDOUT.roles, annotations="instances.json")
        assert done(uploaded(project, files, named)).state == "done"

    def test_uploads_that_nobody_goes_on_with_are_discarded(self, project):
        imports.begin_upload(project=project, files=[Announced("a.png", 60)], wish=POOL, by=None, at=NOON)
        assert uploads.prune(at=NOON + timedelta(days=6)) == 0
        assert uploads.prune(at=NOON + timedelta(days=8)) == 1
        assert not ImportRun.objects.exists()


HELDOUT_OF_ZIP = POOL


class TestArchives:
    def refused(self, project: Project, data: bytes) -> str:
        run = done(uploaded(project, {"set.zip": data}))
        assert (run.state, Image.objects.count()) == ("failed", 0)
        return run.error

    @background
    @pytest.mark.parametrize("name", ["../../evil.png", "/etc/evil.png", "a/../../evil.png", "C:\\evil.png"])
    def test_members_that_lead_out_are_refused_by_name(self, project, name):
        told = self.refused(project, zipped({"good.png": b"x", name: b"y"}))
        assert "set.zip was not unpacked" in told
        assert "leads out of the archive" in told

    @background
    def test_a_bomb_is_refused_before_it_is_unpacked(self, project):
        told = self.refused(project, zipped({"bomb.png": bytes(20_000_000)}))
        assert "'bomb.png' grows more than 200-fold" in told

    @background
    def test_archives_that_unpack_to_too_much_are_refused(self, project, settings, monkeypatch):
        monkeypatch.setattr(archives, "UNSUSPICIOUS", 10**9)
        settings.UPLOAD_LIMIT = 50_000
        assert "unpacks to more than" in self.refused(project, zipped({"a.png": bytes(100_000)}))

    @background
    def test_what_is_no_zip_is_told(self, project):
        assert "is no zip file" in self.refused(project, b"not a zip")

    @background
    def test_a_damaged_member_costs_itself_only(self, project, coco):
        data = bytearray(zipped(content(coco), method=zipfile.ZIP_STORED))
        at = data.find(b"IDAT")
        data[at + 20] ^= 0xFF
        run = done(uploaded(project, {"set.zip": bytes(data)}, HELDOUT))
        assert run.state == "done"
        (problem,) = run.report["problems"]
        assert (problem["kind"], problem["count"]) == ("image broken or truncated", 1)
        assert "damaged in set.zip" in problem["examples"][0]


class TestReports:
    @background
    def test_what_was_left_out_is_named_and_kept_whole(self, project, coco):
        files = {**content(coco), "broken.png": b"no image"}
        coco_less = {name: data for name, data in files.items() if not name.endswith("json")}
        run = done(uploaded(project, coco_less))
        assert run.report["taken"] == {"images": 2}
        (problem,) = run.report["problems"]
        assert problem["examples"] == ["broken.png: not a JPEG, PNG, WebP or TIFF"]
        with artifacts().open(imports.problems_name(run)) as kept:
            assert b'"item": "broken.png"' in kept.read()

    @background
    def test_a_strict_import_that_meets_problems_takes_nothing_and_can_go_on(self, project, coco):
        files = {**content(coco), "broken.png": b"no image"}
        files.pop("instances.json")
        run = done(uploaded(project, files, Wish(POOL.roles, strict=True)))
        assert (run.state, Image.objects.count()) == ("failed", 0)
        assert "Nothing was imported" in run.error
        assert run.report["problems"][0]["count"] == 1
        ImportRun.objects.update(strict=False)
        assert imports.go_on(run)
        assert done(run).report["taken"] == {"images": 2}


class TestBackground:
    @background
    def test_one_that_somebody_is_at_is_left_alone(self, project, coco):
        run = uploaded(project, content(coco))
        with Claims() as claims:
            claims.take(Kind.INTAKE, run.pk)
            assert done(run).state == "waiting"
            assert not jobs.unattended(ImportRun).exists()
        assert jobs.unattended(ImportRun).get() == run

    @background
    def test_two_imports_into_a_project_wait_for_each_other(self, project, coco):
        run = uploaded(project, content(coco))
        with Claims() as claims:
            claims.take(Kind.IMPORT, project.pk)
            assert done(run).state == "waiting"
        assert done(run).state == "done"

    @background
    def test_a_stop_keeps_what_is_imported_and_going_on_brings_the_rest(self, project, coco, monkeypatch):
        monkeypatch.setattr("annotation_site.catalog.importing.BATCH", 1)
        monkeypatch.setattr("annotation_site.catalog.steps.WRITE_EVERY", 0.0)
        run = uploaded(project, content(coco), HELDOUT)

        def stopping(done_: int, total: int, message: str = "") -> None:
            if done_ == 1 and message == "imported":
                imports.stop_import(run, at=NOON)

        assert imports.run_import(run, also=stopping).state == "stopped"
        assert (Image.objects.count(), run.report["taken"]["images"]) == (1, 1)
        assert imports.go_on(run)
        assert done(run).report["taken"] == {"images": 1, "annotations": 2, "images already there": 1}

    @background
    def test_a_worker_that_ends_leaves_it_due(self, project, coco):
        run = uploaded(project, content(coco), HELDOUT)

        def ending(*_: object) -> None:
            raise Interrupted("The worker was shut down.")

        assert imports.run_import(run, also=ending).state == "waiting"
        assert done(run).state == "done"

    @background
    def test_one_whose_process_died_is_taken_over_and_given_up_after_three(self, project, coco):
        run = uploaded(project, content(coco), HELDOUT)
        for deaths, state in ((1, "done"), (2, "failed")):
            ImportRun.objects.update(state="running", deaths=deaths, done=0)
            assert done(run).state == state
        assert "died 3 times" in run.error
        assert imports.go_on(run)
        assert ImportRun.objects.get().deaths == 0

    def test_lost_messages_are_sent_again(self, project, coco, monkeypatch):
        run, sent = uploaded(project, content(coco)), []
        monkeypatch.setattr(tasks.enqueue, "run_import", sent.append)
        tasks.resume_preparing()
        assert sent == [run.pk]

    @background
    def test_discarding_forgets_the_files_and_keeps_the_images(self, project, coco):
        run = done(uploaded(project, content(coco), HELDOUT))
        imports.discard(run)
        assert not ImportRun.objects.exists()
        assert project.images.count() == 2


def from_place(project: Project, place: str, wish: Wish = POOL) -> ImportRun:
    return done(imports.ask_for_import(project=project, place=place, wish=wish, by=None, at=NOON))


class TestFolders:
    @pytest.fixture
    def root(self, coco, settings) -> Path:
        coco.file  # noqa: B018  # writes it
        settings.IMPORT_FROM = [str(coco.folder)]
        return coco.folder

    @background
    def test_what_is_below_an_allowed_folder_is_imported(self, project, root):
        run = from_place(project, str(root), Wish(HELDOUT.roles, annotations="instances.json"))
        assert run.report["taken"] == {"images": 2, "annotations": 3}

    @background
    def test_files_may_stay_where_they_are(self, project, root):
        from_place(project, str(root / "sub"), Wish(POOL.roles, in_place=True))
        assert Image.objects.get().path == str(root / "sub/b.png")

    @background
    @pytest.mark.parametrize(
        "place", ["/", "/etc", "{root}/..", "{root}x", "{root}/out", "sub", "file://{root}", "{root}\0"]
    )
    def test_nothing_else_is(self, project, root, place):
        (root / "out").symlink_to("/etc")
        with pytest.raises(PlaceRefused, match=r"may not be imported from|is no bucket"):
            from_place(project, place.format(root=root))

    @background
    def test_links_that_lead_out_are_not_followed(self, project, root, tmp_path):
        elsewhere = CocoFolder(tmp_path / "elsewhere")
        (root / "link.png").symlink_to(elsewhere.picture("secret.png", seed=5))
        run = from_place(project, str(root))
        assert "leads out" in run.report["problems"][0]["examples"][0]
        assert not Image.objects.filter(name="link.png").exists()

    @background
    def test_a_coco_file_elsewhere_is_not_read(self, project, root):
        run = from_place(project, str(root), Wish(HELDOUT.roles, annotations="../../../../etc/passwd"))
        assert (run.state, "There is no file" in run.error) == ("failed", True)

    def test_without_the_setting_there_are_uploads_only(self, project, settings):
        settings.IMPORT_FROM = []
        with pytest.raises(PlaceRefused, match="only what is uploaded"):
            from_place(project, "/srv")


class TestBuckets:
    @pytest.fixture
    def memory(self, coco, settings) -> str:
        files = fsspec.filesystem("memory")
        for name, data in content(coco).items():
            files.pipe(f"/photos/street/{name}", data)
        settings.IMPORT_FROM = ["memory://photos"]
        yield "memory://photos/street"
        files.rm("/photos", recursive=True)

    @background
    def test_what_is_below_an_allowed_prefix_is_imported(self, project, memory):
        run = from_place(project, memory, Wish(HELDOUT.roles, annotations="instances.json"))
        assert run.report["taken"] == {"images": 2, "annotations": 3}

    @pytest.mark.parametrize(
        "url",
        [
            "memory://other", "memory://photosx", "memory://photos/../other", "s3://photos/street",
            "http://169.254.169.254/latest", "file:///etc", "simplecache::memory://photos", "memory://u@photos",
            "s3://photos/x?endpoint_url=http://127.0.0.1:6379",
        ],
    )  # fmt: skip
    def test_nothing_else_is(self, project, memory, url):
        with pytest.raises(PlaceRefused):
            from_place(project, url)

    def test_protocols_of_this_machine_are_never_opened(self, settings):
        settings.IMPORT_FROM = ["file:///srv", "http://localhost"]
        for url in settings.IMPORT_FROM:
            with pytest.raises(PlaceRefused):
                allowed.allowed_place(url)

    @background
    def test_a_missing_coco_file_is_told(self, project, memory):
        run = from_place(project, memory, Wish(HELDOUT.roles, annotations="none.json"))
        assert "There is no object none.json" in run.error

    @background
    def test_an_s3_bucket_is_read_with_the_sites_own_credentials(self, project, coco, settings, monkeypatch):
        with new_bucket() as url:
            place, _, options = url.partition("?")
            monkeypatch.setenv("AWS_ENDPOINT_URL_S3", options.split("&")[0].removeprefix("endpoint_url="))
            monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEYS["access_key"])
            monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEYS["secret_key"])
            monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
            settings.IMPORT_FROM = [place]
            client = allowed.allowed_place(place)._bucket._client
            for name, data in content(coco).items():
                key = f"{place.split('/', 3)[3]}/{name}"
                client.put_object(Bucket=place.split("/")[2], Key=key, Body=data)
            run = from_place(project, place, Wish(HELDOUT.roles, annotations="instances.json"))
            assert run.report["taken"] == {"images": 2, "annotations": 3}
            pool = ProjectFactory()
            assert from_place(pool, f"{place}/sub").report["taken"] == {"images": 1}

    def test_a_bucket_that_is_not_there_is_told(self, monkeypatch, settings, project):
        settings.IMPORT_FROM = ["gs://nothing"]
        with pytest.raises((BucketUnavailable, PlaceRefused)):
            from_place(project, "gs://nothing")
