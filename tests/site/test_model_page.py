"""The model page: choosing a detector, uploading predictions, curves, the contact sheet, K_pa."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from annotation_site.access.granting import grant
from annotation_site.access.models import Access
from annotation_site.catalog.choosing import InvalidThreshold, choose_detector, choose_k_pa
from annotation_site.catalog.foreign_predictions import OtherPredictions
from annotation_site.catalog.helping import pieces_to_share
from annotation_site.catalog.models import (
    Image,
    Mask,
    OfferedPredictions,
    Project,
    Role,
    StageRun,
    Tree,
)
from annotation_site.catalog.offering import (
    Offer,
    OfferRefused,
    offer_predictions,
    offered,
    withdraw_offer,
)
from annotation_site.catalog.rounds import current_round
from annotation_site.catalog.stages import RoundIsOpen, Stage, StageFailed, State, mark_done
from annotation_site.catalog.storage import artifacts
from annotation_site.dashboards.model.heldout import ORDERS, forget_rated, heldout_trees, rated, sheet
from annotation_site.verification.carrying_on import carry_on, due, want
from annotation_site.verification.outlooks import NothingToLookAt, look_on, told
from pipeline.detection import InvalidOption, UnknownDetector
from tests.factories import NOON, AnnotationFactory, rectangle
from tests.site.painted_projects import SIDE, painted_project

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _own(tmp_path, settings, own_artifacts: None):
    forget_rated()
    cache.clear()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    images = {Role.INITIAL: 3, Role.HELDOUT: 6, Role.POOL: 6}
    return painted_project(tmp_path, images=images, k_pa=None)


@pytest.fixture
def done(project: Project) -> Project:
    """Trained, detected, clustered and calibrated by the fake detector."""
    carry_on(current_round(project), until=Stage.CALIBRATE)
    return project


def signed_in(project: Project, access: Access = Access.ADMIN) -> Client:
    user = User.objects.create_user(f"somebody {User.objects.count()}")
    grant(project=project, user=user, access=access)
    client = Client()
    client.force_login(user)
    return client


def where(project: Project, rest: str = "") -> str:
    return f"/projects/{project.slug}/model/{rest}"


def results(project: Project, *, broken: int = 0) -> bytes:
    """Predictions of one square in each image that is predicted, and some that cannot be read."""
    square = [[4.0, 4.0, 20.0, 4.0, 20.0, 20.0, 4.0, 20.0]]
    entries: list[object] = [
        {"image_id": image.coco_id, "category_id": 7 + image.pk % 2, "score": 0.9, "segmentation": square}
        for image in Image.objects.filter(project=project).exclude(role=Role.INITIAL)
    ]
    entries += [
        {"image_id": 10**6 + i, "category_id": 7, "score": 1, "segmentation": square} for i in range(broken)
    ]
    return json.dumps(entries).encode()


def uploaded(content: bytes, name: str = "mine.json") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content)


def offer(project: Project, content: bytes, *, replace: bool = False, **files: object) -> OfferedPredictions:
    given = Offer(uploaded(content), computed_by="descriptors", **files)
    return offer_predictions(project=project, offer=given, replace=replace, by=None, at=NOON)


class TestChoosing:
    def test_the_next_training_is_of_the_chosen_detector(self, project):
        client = signed_in(project)
        posted = {"detector": "maskrcnn-small", "iterations": "300", "train_batch": "4", "device": "cpu"}
        assert client.post(where(project, "detector/"), posted).status_code == 302
        project.refresh_from_db()
        assert project.detector == "maskrcnn-small"
        assert project.detector_options == {"iterations": 300, "device": "cpu", "train": {"batch_size": 4}}

    def test_options_that_the_form_does_not_show_stay(self, project):
        choose_detector(project=project, detector="fake", options={"ignored_score": 0.3, "iterations": 5})
        signed_in(project).post(where(project, "detector/"), {"detector": "fake", "short_side": "64"})
        project.refresh_from_db()
        assert project.detector_options == {"ignored_score": 0.3, "short_side": 64}

    def test_a_wrong_option_is_named_on_the_page(self, project):
        posted = {"detector": "fake", "learning_rate": "12"}
        page = signed_in(project).post(where(project, "detector/"), posted)
        assert page.status_code == 400
        assert "learning_rate is 12.0" in page.content.decode()

    def test_a_file_of_the_server_is_no_choice(self, project):
        page = signed_in(project).post(where(project, "detector/"), {"detector": "fake", "weights": "/etc/x"})
        assert page.status_code == 400
        assert Project.objects.get().detector_options == {}

    @pytest.mark.parametrize(
        ("detector", "options", "error"),
        [
            ("none", {}, UnknownDetector),
            ("fake", {"speed": 1}, InvalidOption),
            ("fake", {"train": 3}, InvalidOption),
        ],
    )
    def test_what_is_no_detector_or_option_is_refused(self, project, detector, options, error):
        with pytest.raises(error):
            choose_detector(project=project, detector=detector, options=options)


class TestUploading:
    def test_workers_take_in_cluster_and_calibrate(self, project):
        posted = {"results": uploaded(results(project, broken=3)), "computed_by": "descriptors"}
        client = signed_in(project)
        assert client.post(where(project, "predictions/"), posted).status_code == 302
        round_ = current_round(project)
        assert due(round_, at=NOON) == Stage.DETECT
        carry_on(round_, until=Stage.CALIBRATE)
        round_.refresh_from_db()
        assert Mask.objects.count() == 12
        assert round_.feature_source.startswith("mine.json")
        assert round_.calibration is not None
        assert offered(round_) is None
        page = client.get(where(project)).content.decode()
        assert "3 × entry of an image that is not there" in page
        assert "1000000" in page

    def test_vectors_come_along(self, project):
        vectors = np.random.default_rng(0).normal(size=(12, 3)).astype(np.float32)
        path = Path(artifacts().path("x.npy"))
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, vectors)
        offer(project, results(project), features=uploaded(path.read_bytes(), "mine.npy"))
        carry_on(current_round(project), until=Stage.DETECT)
        assert "3 dimensions" in current_round(project).feature_source

    @pytest.mark.parametrize(("content", "said"), [(b"\x89PNG", "mine.json is no JSON"), (b"", "is no JSON")])
    def test_what_is_no_json_is_refused_at_once(self, project, content, said):
        with pytest.raises(OfferRefused, match=said):
            offer(project, content)

    def test_the_page_names_the_file_that_is_wrong(self, project):
        posted = {"results": uploaded(results(project)), "features": uploaded(b"1,2", "mine.csv")}
        page = signed_in(project).post(where(project, "predictions/"), posted)
        assert page.status_code == 400
        assert "mine.csv is no array saved by numpy" in page.content.decode()

    def test_a_file_that_breaks_off_fails_the_stage_by_name_and_another_takes_its_place(self, project):
        first = offer(project, results(project)[:-40])
        with pytest.raises(StageFailed, match="mine"):
            carry_on(current_round(project), until=Stage.DETECT)
        page = signed_in(project).get(where(project)).content.decode()
        assert "They could not be taken in" in page
        assert "mine.json" in page
        assert due(current_round(project), at=NOON) is None
        offer(project, results(project))
        assert not artifacts().exists(f"{first.folder}/mine.json")
        carry_on(current_round(project), until=Stage.DETECT)
        assert StageRun.objects.get(stage=Stage.DETECT).state == State.DONE

    def test_predictions_that_are_there_are_replaced_only_when_that_is_said(self, done):
        with pytest.raises(OtherPredictions):
            offer(done, results(done))
        offer(done, results(done), replace=True)
        want(current_round(done), until=Stage.CALIBRATE)
        assert due(current_round(done), at=NOON) == Stage.DETECT
        before = set(Tree.objects.values_list("pk", flat=True))
        carry_on(current_round(done), until=Stage.CLUSTER)
        assert Mask.objects.count() == 12
        assert not before & set(Tree.objects.values_list("pk", flat=True))

    def test_a_round_that_people_answer_about_takes_none(self, project):
        mark_done(current_round(project), Stage.OPEN, message="", at=NOON)
        with pytest.raises(RoundIsOpen):
            offer(project, results(project))

    def test_what_is_forgotten_leaves_nothing(self, project):
        client = signed_in(project)
        posted = {"results": uploaded(results(project)), "computed_by": "descriptors"}
        assert client.post(where(project, "predictions/"), posted).status_code == 302
        made = offered(current_round(project))
        assert artifacts().exists(f"{made.folder}/mine.json")
        assert due(current_round(project), at=NOON) == Stage.DETECT
        client.post(where(project, "predictions/change/"), {"do": "withdraw"})
        assert not artifacts().exists(f"{made.folder}/mine.json")
        assert due(current_round(project), at=NOON) is None
        carry_on(current_round(project), until=Stage.DETECT)
        assert current_round(project).detector == "fake"

    def test_an_offer_in_the_place_of_another_is_wanted_as_far_as_that_was(self, project):
        offer(project, results(project))
        want(current_round(project), until=Stage.OPEN)
        offer(project, results(project))
        assert current_round(project).carry_on_to == Stage.OPEN

    def test_nobody_helps_with_a_model_where_masks_come_from_a_file(self, project):
        offer(project, results(project))
        shared = []
        round_ = current_round(project)
        carry_on(
            round_,
            until=Stage.DETECT,
            watch=lambda _: _Watching(lambda: shared.append(pieces_to_share(round_))),
        )
        assert set(shared) == {("", 0)}

    def test_a_name_is_kept_as_far_as_a_storage_takes_it(self, project):
        named = Offer(uploaded(results(project), "../my räst (1).json"), computed_by="descriptors")
        made = offer_predictions(project=project, offer=named, replace=False, by=None, at=NOON)
        assert made.results == "my-räst-1.json"
        withdraw_offer(current_round(project))


class _Watching:
    """A context whose progress calls `look`."""

    def __init__(self, look) -> None:
        self.look = look

    def __enter__(self):
        return lambda *_: self.look()

    def __exit__(self, *_) -> None: ...


class TestFigures:
    def test_the_curve_is_there_while_it_trains_and_afterwards_with_the_check(self, done):
        found = signed_in(done, Access.VIEWER).get(where(done, "training.json")).json()
        assert found["columns"] == ["iteration", "total", "learning_rate"]
        assert len(found["rows"]) == 20
        assert found["validation"]["images"] == 6
        table = signed_in(done).get(where(done, "training.csv"))
        assert b"".join(table.streaming_content).decode().splitlines()[0] == "iteration,total,learning_rate"

    def test_scores_stand_beside_real_ious(self, done):
        client = signed_in(done)
        found = client.get(where(done, "scores.json")).json()
        n = Mask.objects.filter(tree__role=Role.HELDOUT).count()
        assert found["masks"] == n == len(found["points"][0]) == sum(row[1] for row in found["bins"])
        one = heldout_trees(current_round(done))[0]
        part = client.get(where(done, f"scores.json?category={one.category_id}")).json()
        assert part["masks"] == one.n
        lines = b"".join(client.get(where(done, "scores.csv")).streaming_content).decode().splitlines()
        assert len(lines) == n + 1

    def test_before_the_calibration_the_page_says_what_is_missing(self, project):
        client = signed_in(project)
        assert "train and detect, or upload" in client.get(where(project)).content.decode()
        assert client.get(where(project, "calibration.json")).status_code == 404
        assert client.get(where(project, "outlook.json")).status_code == 404
        with pytest.raises(NothingToLookAt):
            look_on(current_round(project), seconds=1)

    def test_clusters_and_curves_of_the_calibration(self, done):
        found = signed_in(done).get(where(done, "calibration.json")).json()
        assert len(found["bins"]) == 20
        clusters = found["clusters"]
        assert len(clusters["scores"]) == len(clusters["qualities"]) == len(clusters["sizes"]) > 0
        assert sum(row[1] for row in found["bins"]) >= len(clusters["scores"])

    def test_looking_goes_on_tree_by_tree(self, done):
        client = signed_in(done)
        first = look_on(current_round(done), seconds=0)
        assert (first.done, first.of) == (1, 2)
        table = client.get(where(done, "outlook.json")).json()["table"]
        assert len(table["k_pa"]) == 101
        assert table["questions"][0] >= table["questions"][60]
        assert table == told(current_round(done), look_on(current_round(done), seconds=0).found)
        lines = b"".join(client.get(where(done, "outlook.csv")).streaming_content).decode().splitlines()
        assert len(lines) == 102

    def test_another_parameter_is_another_outlook(self, done):
        look_on(current_round(done), seconds=9)
        done.n_s = 5
        assert look_on(current_round(done), seconds=0).done == 1

    def test_a_round_or_chart_that_is_not_there(self, done):
        client = signed_in(done)
        assert client.get(where(done, "?round=9")).status_code == 404
        assert client.get(where(done, "?round=1")).status_code == 200
        assert client.get(where(done, "nothing.csv")).status_code == 404


class TestContactSheet:
    @pytest.mark.parametrize("order", ORDERS)
    def test_pages_by_key_show_every_prediction_once_in_order(self, done, order):
        trees = heldout_trees(current_round(done))
        n = sum(len(rated(tree.pk).scores) for tree in trees)
        seen, after = [], None
        while True:
            page = sheet(trees, order=order, after=after, size=5)
            seen += page.rows
            if (after := page.after) is None:
                break
        assert len({row.mask.pk for row in seen}) == len(seen) == n
        keys = [
            {
                "best": m.iou,
                "worst": -m.iou,
                "overconfident": m.score - m.iou,
                "underconfident": m.iou - m.score,
            }[order]
            for m in (row.mask for row in seen)
        ]
        assert keys == pytest.approx(sorted(keys, reverse=True), abs=1e-6)

    def test_the_object_it_meets_is_drawn_beside_it(self, done):
        tree = heldout_trees(current_round(done))[0]
        mask = Mask.objects.filter(tree=tree).first()
        AnnotationFactory(
            image=mask.image, category=tree.category, counts=rectangle(0, 0, 1, 1, size=(SIDE, SIDE))
        )
        rows = sheet([tree], order="best").rows
        assert rows[0].truth is not None
        assert rows[0].true_outline.startswith("M")

    def test_the_page_goes_on(self, done):
        client = signed_in(done, Access.VIEWER)
        page = client.get(where(done, "sheet/?order=worst")).content.decode()
        assert "most overconfident" in page
        assert client.get(where(done, "sheet/?after=nonsense&order=nothing&category=x")).status_code == 200


class TestThreshold:
    def test_a_choice_counts_at_once_and_is_recorded(self, done):
        client = signed_in(done)
        client.post(where(done, "threshold/"), {"k_pa": "0.42"})
        done.refresh_from_db()
        assert (done.k_pa, current_round(done).k_pa) == (0.42, 0.42)
        page = " ".join(client.get(where(done)).content.decode().split())
        assert "calibrated → 0.42, somebody 0" in page
        assert "K_pa is 0.42, as the project has it" in page

    def test_it_is_left_to_the_calibration_again(self, done):
        calibrated = current_round(done).k_pa
        for k_pa in (0.1, None, None):
            choose_k_pa(project=done, k_pa=k_pa)
        assert current_round(done).k_pa == calibrated
        assert Project.objects.get().k_pa is None
        assert signed_in(done).get(where(done)).context["choices"].count() == 2

    def test_a_round_that_people_answer_about_keeps_its_own(self, done):
        before = current_round(done).k_pa
        mark_done(current_round(done), Stage.OPEN, message="", at=NOON)
        assert not choose_k_pa(project=done, k_pa=0.33)
        assert current_round(done).k_pa == before
        assert Project.objects.get().k_pa == 0.33

    @pytest.mark.parametrize("k_pa", [-0.1, 1.1, float("nan")])
    def test_what_is_no_threshold_is_refused(self, done, k_pa):
        with pytest.raises(InvalidThreshold):
            choose_k_pa(project=done, k_pa=k_pa)
        assert signed_in(done).post(where(done, "threshold/"), {"k_pa": str(k_pa)}).status_code == 302
        done.refresh_from_db()
        assert done.k_pa is None
