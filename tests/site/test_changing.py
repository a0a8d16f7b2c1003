"""Parameters and categories of a project that is there already, and stages that are done over."""

from __future__ import annotations

import pytest

from annotation_site.access.granting import access_to
from annotation_site.access.models import Access
from annotation_site.catalog.changing import (
    CategoriesFixed,
    add_categories,
    change_parameters,
    name_categories,
    remove_category,
)
from annotation_site.catalog.claims import Claims, Kind
from annotation_site.catalog.models import Project, Round, StageRun
from annotation_site.catalog.projects import ProjectDiffers, ProjectRefused, create_project, numbered
from annotation_site.catalog.stages import RoundIsOpen, StageBusy, next_stage, start_over
from annotation_site.preparing.creating import create_owned_project
from pipeline.coco import CocoCategory
from tests.factories import AnnotationFactory, CategoryFactory, ProjectFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    return create_project(name="Street", categories=numbered(["car", "bus"])).project


def names(project: Project) -> list[tuple[int, str]]:
    return list(project.categories.values_list("coco_id", "name"))


class TestCreating:
    def test_whoever_creates_a_project_owns_it(self, django_user_model):
        ada = django_user_model.objects.create_user("ada")
        made = create_owned_project(name="Street", categories=numbered(["car"]), owner=ada)
        assert access_to(made, ada) == Access.OWNER
        again = create_owned_project(name="Street", categories=numbered(["car"]), owner=ada)
        assert again == made

    def test_nobody_gets_at_a_project_by_creating_the_same(self, project, django_user_model):
        eve = django_user_model.objects.create_user("eve")
        with pytest.raises(ProjectDiffers, match="choose another name"):
            create_owned_project(name="Street", categories=numbered(["car", "bus"]), owner=eve)
        assert access_to(project, eve) is None

    def test_a_name_that_is_an_address_of_the_site_is_refused(self):
        with pytest.raises(ProjectRefused, match="choose another name"):
            create_project(name="New", categories=numbered(["car"]))


class TestParameters:
    def test_valid_ones_are_kept(self, project):
        changed = change_parameters(project=project, values={"k_a": 0.9, "rule": "paper", "k_pa": None})
        project.refresh_from_db()
        assert (changed.k_a, project.k_a, project.rule) == (0.9, 0.9, "paper")

    @pytest.mark.parametrize(
        ("values", "told"),
        [
            ({"k_a": 0.4}, "k_a is 0.4"),
            ({"k_iou": 1.5}, "k_iou"),
            ({"n_s": 0}, "n_s is 0"),
            ({"rule": "guess"}, "rule is one of"),
            ({"judgments_per_question": 2}, "odd"),
            ({"detector_options": {"iteration": 5}}, "Unknown detector options"),
            ({"detector_options": ["iterations"]}, "JSON object"),
            ({"detector_options": {"features": "attention"}}, "not a list of mask"),
            ({"detector_options": {"detect": {"features": ["mask"]}}}, "made of attention features"),
            ({"detector_options": {"features": ["attention"]}, "feature": "mask"}, "made of mask features"),
            ({"hit_size": 0}, "hit_size is 0"),
            ({"slug": "other"}, "No parameter is called slug"),
        ],
    )
    def test_others_are_refused_by_name_and_nothing_changes(self, project, values, told):
        before = Project.objects.values().get()
        with pytest.raises(ProjectRefused, match=told):
            change_parameters(project=project, values={"k_a": 0.9, **values})
        assert Project.objects.values().get() == before


class TestCategories:
    def test_further_ones_are_numbered_after_those_there_are(self, project):
        add_categories(project=project, categories=name_categories(project, [" van ", "", "car"]))
        assert names(project) == [(1, "car"), (2, "bus"), (3, "van")]

    def test_ids_of_a_file_are_kept_unless_they_are_taken(self, project):
        add_categories(project=project, categories=[CocoCategory(2, "van"), CocoCategory(9, "tram")])
        assert names(project) == [(1, "car"), (2, "bus"), (9, "tram"), (10, "van")]

    def test_one_that_nothing_is_annotated_as_can_be_taken_away(self, project):
        remove_category(project.categories.get(name="bus"))
        assert names(project) == [(1, "car")]
        with pytest.raises(ProjectRefused, match="at least one"):
            remove_category(project.categories.get())

    def test_an_annotated_one_stays(self):
        category = CategoryFactory(name="car")
        CategoryFactory(project=category.project)
        AnnotationFactory(category=category, image__project=category.project)
        with pytest.raises(ProjectRefused, match="car stays"):
            remove_category(category)

    def test_they_are_fixed_once_a_model_is_trained_for_them(self, project):
        round_ = Round.objects.create(project=project, number=1)
        StageRun.objects.create(round=round_, stage="train", state="done")
        with pytest.raises(CategoriesFixed):
            add_categories(project=project, categories=name_categories(project, ["van"]))
        with pytest.raises(CategoriesFixed):
            remove_category(project.categories.first())


@pytest.mark.django_db(transaction=True)
class TestStartingOver:
    @pytest.fixture
    def round_(self) -> Round:
        round_ = Round.objects.create(project=ProjectFactory(), number=1, k_pa=0.5, calibration={"a": 1})
        for stage in ("train", "detect", "cluster", "calibrate"):
            StageRun.objects.create(round=round_, stage=stage, state="done", detail={"some": "thing"})
        return round_

    def test_a_stage_and_those_after_it_are_due_again(self, round_):
        start_over(round_, StageRun.Stage.CLUSTER)
        assert next_stage(round_) == "cluster"
        assert dict(round_.stages.values_list("stage", "state")) == {
            "train": "done", "detect": "done", "cluster": "waiting", "calibrate": "waiting",
        }  # fmt: skip
        round_.refresh_from_db()
        assert (round_.k_pa, round_.calibration) == (None, None)

    def test_not_while_a_process_is_at_one(self, round_):
        with Claims() as claims:
            claims.take(Kind.STAGE, round_.stages.get(stage="calibrate").pk)
            with pytest.raises(StageBusy):
                start_over(round_, StageRun.Stage.CLUSTER)
        assert next_stage(round_) == "open"

    def test_not_once_people_answer(self, round_):
        StageRun.objects.create(round=round_, stage="open", state="done")
        with pytest.raises(RoundIsOpen):
            start_over(round_, StageRun.Stage.CLUSTER)
