"""The export: what was accepted and why, as COCO that other tools load, whole or not at all."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from pycocotools.coco import COCO

from annotation_site.catalog.models import Image, Mask, Project, Tree
from annotation_site.results import exporting, rows
from annotation_site.results.exporting import OWN, export_coco
from annotation_site.results.outcomes import Fate, outcome_of, trees_of
from annotation_site.verification.models import Decision, Says
from pipeline import masks
from pipeline.coco import read_results
from tests.factories import NOON, ImageFactory, ProjectFactory
from tests.site.campaigns import Person, add_tree, opened, project_with_tree, together, truth
from tests.site.verified_projects import answer_all, own_images, tree_of, verified

pytestmark = pytest.mark.django_db

HALF_RIGHT = [True] * 32 + [False] * 32


def export(project: Project, folder: Path, **options: Any) -> dict[str, Any]:
    path = folder / "out.json"
    export_coco(project=project, path=path, at=NOON, **options)
    return json.loads(path.read_text())


def positions(document: dict[str, Any]) -> list[int]:
    return [annotation[OWN]["position"] for annotation in document["annotations"]]


class TestWhatIsExported:
    def test_accepted_clusters_are_exported_whole(self, tmp_path):
        project = verified(HALF_RIGHT)
        assert positions(export(project, tmp_path)) == list(range(32))

    def test_rejected_ones_on_request(self, tmp_path):
        project = verified(HALF_RIGHT)
        assert positions(export(project, tmp_path, include="rejected")) == list(range(32, 64))

    def test_all_are_every_mask_of_the_pool_with_its_fate(self, tmp_path):
        project = opened(project_with_tree(HALF_RIGHT))
        document = export(project, tmp_path, include="all")
        assert positions(document) == list(range(64))
        assert {a[OWN]["decision"] for a in document["annotations"]} == {"undecided"}
        assert document["annotations"][0][OWN]["cluster"] is None

    def test_before_anything_is_decided_nothing_is(self, tmp_path):
        document = export(project_with_tree(HALF_RIGHT), tmp_path)
        assert (document["images"], document["annotations"]) == ([], [])
        assert len(document["categories"]) == 1

    def test_a_mask_refused_in_an_accepted_cluster_is_rejected(self, tmp_path):
        refused = 5

        def says(item):
            return Says.NO if item.question.position == refused else truth(item)

        project = verified([True] * 32, says=says, rule="paper", n_s=32)
        accepted = export(project, tmp_path)
        assert positions(accepted) == [p for p in range(32) if p != refused]
        assert len(accepted["images"]) == 31
        (rejected,) = export(project, tmp_path, include="rejected")["annotations"]
        assert (rejected[OWN]["position"], rejected[OWN]["evidence"]["verdict"]) == (refused, "accept")
        assert rejected[OWN]["answer"] == {"says": "no", "yes": 0, "no": 1, "unsure": 0}

    def test_a_withdrawn_decision_does_not_count(self, tmp_path):
        project = verified(HALF_RIGHT)
        Decision.objects.filter(verdict="accept").update(withdrawn_at=NOON)
        assert positions(export(project, tmp_path)) == []

    def test_rounds_are_told_apart(self, tmp_path):
        project = verified([True] * 32)
        second = project.rounds.create(number=2)
        category = project.categories.get()
        add_tree(second, [True] * 16, scores=np.full(16, 0.9), category=category)
        own_images(project)
        answer_all(opened(project))
        rounds = [a[OWN]["round"] for a in export(project, tmp_path)["annotations"]]
        assert (rounds.count(1), rounds.count(2)) == (32, 16)
        assert len(export(project, tmp_path, round_number=2)["annotations"]) == 16

    def test_held_out_trees_are_not(self, tmp_path):
        project = verified([True] * 32)
        tree = tree_of(project)
        tree.pk, tree.role = None, "heldout"
        tree.save()
        assert [tree.role for tree in trees_of(project)] == ["pool"]


class TestEntries:
    def test_each_mask_carries_where_it_comes_from_and_why(self, tmp_path):
        project = verified([True] * 32)
        entry = export(project, tmp_path)["annotations"][3]
        mask = Mask.objects.select_related("image").get(position=3)
        cluster = Decision.objects.get(verdict="accept").cluster
        assert entry["id"] == mask.pk
        assert entry["bbox"] == [10, 8, 20, 16]
        assert (entry["area"], entry["iscrowd"], entry["score"]) == (320, 0, pytest.approx(0.9))
        own = entry[OWN]
        assert (own["round"], own["decision"]) == (1, "accepted")
        assert own["cluster"] == {
            "id": cluster.pk,
            "node": cluster.node,
            "size": 32,
            "mean_score": pytest.approx(0.9),
        }
        evidence = own["evidence"]
        assert (evidence["verdict"], evidence["no"], evidence["sample"]) == ("accept", 0, 15)
        assert evidence["yes"] >= 12

    def test_only_masks_that_people_saw_have_an_answer(self, tmp_path):
        project = verified([True] * 64)
        document = export(project, tmp_path)
        answers = [entry[OWN]["answer"] for entry in document["annotations"]]
        seen = [answer for answer in answers if answer]
        assert document["annotations"][0][OWN]["evidence"]["yes"] <= len(seen) <= 15
        assert {answer["says"] for answer in seen} == {"yes"}

    @pytest.mark.parametrize("segmentation", ["rle", "polygon"])
    def test_both_forms_are_exactly_the_mask(self, tmp_path, segmentation):
        project = verified([True] * 16)
        mask = Mask.objects.get(position=2)
        ring = np.zeros((48, 64), bool)
        ring[5:25, 5:25], ring[10:15, 10:15] = True, False
        Mask.objects.filter(pk=mask.pk).update(counts=masks.encode(ring)["counts"])
        entry = export(project, tmp_path, segmentation=segmentation)["annotations"][2]
        assert isinstance(entry["segmentation"], list) == (segmentation == "polygon")
        read = masks.from_coco(entry["segmentation"], height=48, width=64)
        assert np.array_equal(masks.decode(read), ring)
        assert entry["area"] == ring.sum()

    def test_images_keep_their_coco_ids(self, tmp_path):
        project = verified([True] * 16)
        document = export(project, tmp_path)
        images = {image["file_name"]: image for image in document["images"]}
        assert len(images) == 16
        for image in Image.objects.filter(project=project, role="pool"):
            assert images[image.name]["id"] == image.coco_id
            assert images[image.name][OWN]["sha256"] == image.digest

    @pytest.mark.parametrize("clash", [None, 1])
    def test_where_these_are_missing_or_clash_all_get_the_sites_own(self, tmp_path, clash):
        project = verified([True] * 16)
        two = Image.objects.filter(project=project, role="pool")[:2]
        Image.objects.filter(pk__in=[image.pk for image in two]).update(coco_id=clash)
        document = export(project, tmp_path)
        assert {i["id"] for i in document["images"]} == {i[OWN]["image"] for i in document["images"]}
        assert {a["image_id"] for a in document["annotations"]} == {i["id"] for i in document["images"]}

    def test_very_large_coco_ids_stay_exact(self, tmp_path):
        project = verified([True] * 16)
        image = Image.objects.filter(project=project, role="pool").first()
        Image.objects.filter(pk=image.pk).update(coco_id=2**60 + 1)
        assert 2**60 + 1 in {entry["id"] for entry in export(project, tmp_path)["images"]}

    def test_images_without_masks_are_listed_on_request(self, tmp_path):
        project = verified([True] * 16)
        ImageFactory(project=project, name="empty.png", coco_id=5)
        assert len(export(project, tmp_path)["images"]) == 16
        assert len(export(project, tmp_path, every_image=True)["images"]) == 17

    def test_the_file_says_what_it_holds(self, tmp_path):
        project = verified([True] * 16)
        info = export(project, tmp_path, include="all")["info"]
        assert info[OWN] == {
            "project": project.slug,
            "include": "all",
            "segmentation": "rle",
            "round": None,
        }
        assert info["date_created"].startswith("2026-03-02")


class TestReadingBack:
    @pytest.mark.parametrize("segmentation", ["rle", "polygon"])
    def test_pycocotools_loads_it(self, tmp_path, segmentation):
        project = verified(HALF_RIGHT)
        export(project, tmp_path, segmentation=segmentation, include="all")
        coco = COCO(str(tmp_path / "out.json"))
        assert len(coco.getImgIds()) == 64
        annotation = coco.loadAnns(coco.getAnnIds())[0]
        assert coco.annToMask(annotation).sum() == 320

    def test_it_can_be_imported_as_predictions(self, tmp_path):
        project = verified([True] * 16)
        export(project, tmp_path)
        (first, *rest) = read_results(tmp_path / "out.json")
        assert len(rest) == 15
        assert first.score == pytest.approx(0.9)


class TestManyMasks:
    def test_parts_join_without_gap_or_overlap(self, tmp_path, monkeypatch):
        monkeypatch.setattr(rows, "AT_ONCE", 7)
        monkeypatch.setattr(exporting, "IMAGES_AT_ONCE", 5)
        project = verified(HALF_RIGHT)
        document = export(project, tmp_path)
        assert positions(document) == list(range(32))
        assert len({entry["id"] for entry in document["images"]}) == 32

    @pytest.mark.django_db(transaction=True)
    def test_it_is_as_of_one_moment(self, tmp_path):
        """What others do while the file is written does not show in it."""
        project = verified([True] * 32)
        tree, done_at = tree_of(project), []

        def progress(done: int, total: int, message: str = "") -> None:
            if not done_at:
                together([Tree.objects.filter(pk=tree.pk).delete])
            done_at.append((done, total))

        export_coco(project=project, path=tmp_path / "out.json", at=NOON, progress=progress)
        assert len(json.loads((tmp_path / "out.json").read_text())["annotations"]) == 32
        assert done_at[-1] == (32, 32)

    def test_a_failure_leaves_the_file_that_was_there(self, tmp_path, monkeypatch):
        project = verified([True] * 16)
        path = tmp_path / "out.json"
        path.write_text("before")

        def stop(done: int, total: int, message: str = "") -> None:
            raise RuntimeError("stopped")

        with pytest.raises(RuntimeError):
            export_coco(project=project, path=path, at=NOON, progress=stop)
        assert path.read_text() == "before"
        assert list(tmp_path.iterdir()) == [path]


class TestFates:
    def test_every_mask_has_exactly_one(self):
        project = opened(project_with_tree(HALF_RIGHT * 2))
        Person.of(project).work()
        outcome = outcome_of(tree_of(project))
        for fates in ({Fate.ACCEPTED}, {Fate.REJECTED}, {Fate.UNDECIDED}):
            covered = [range(s.lo, s.hi) for s in outcome.segments(fates)]
            assert len({p for r in covered for p in r}) == sum(len(r) for r in covered)
        everything = [p for s in outcome.segments(set(Fate)) for p in range(s.lo, s.hi)]
        assert everything == list(range(128))

    def test_accepted_counts_as_the_export_does(self, tmp_path):
        def says(item):
            return Says.NO if item.question.position % 11 == 0 else truth(item)

        project = verified([True] * 48, says=says, n_s=15, k_a=0.8)
        outcome = outcome_of(tree_of(project))
        assert outcome.accepted == len(export(project, tmp_path)["annotations"])


class TestCommand:
    def run(self, *arguments: object) -> str:
        out = StringIO()
        call_command("export", *map(str, arguments), stdout=out)
        return out.getvalue()

    def test_it_writes_and_says_what(self, tmp_path):
        project = verified([True] * 16)
        out = self.run(project.slug, tmp_path / "out.json", "--include", "all", "--segmentation", "polygon")
        assert "Wrote 16 masks to" in out
        assert (tmp_path / "out.json").exists()

    def test_errors_end_it_with_a_message(self, tmp_path):
        with pytest.raises(CommandError, match="nobody"):
            self.run("nobody", tmp_path / "out.json")
        with pytest.raises(CommandError):
            self.run(ProjectFactory().slug, "/proc/nowhere/out.json")
        with pytest.raises(CommandError, match="invalid choice"):
            self.run(ProjectFactory().slug, tmp_path / "out.json", "--include", "some")
