"""The report: what was bought and what it cost, from the facts, the same for page, command and scripts."""

from __future__ import annotations

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from annotation_site.catalog.models import Annotation, Image, Mask, Role
from annotation_site.results.reporting import Report, report
from annotation_site.verification.answering import undo_answer
from annotation_site.verification.models import Decision, Judgment, Says
from tests.factories import AnnotationFactory, CategoryFactory, ImageFactory, ProjectFactory
from tests.site.campaigns import Person, items, opened, project_with_tree, truth
from tests.site.verified_projects import verified

pytestmark = pytest.mark.django_db

HALF_RIGHT = [True] * 32 + [False] * 32
KEYS = {
    "accepted_masks", "precision", "sq", "coverage", "questions", "questions_per_accepted_mask",
    "human_hours", "drawing_hours",
}  # fmt: skip


class TestQuality:
    def test_precision_sq_and_coverage_are_those_of_the_accepted_masks(self):
        found = report(verified(HALF_RIGHT))
        assert found.accepted == 32
        assert (found.tally.precision, found.tally.sq, found.tally.coverage) == (1.0, 1.0, 0.5)
        assert found.annotated_images == 64

    def test_wrong_masks_that_nobody_was_asked_about_cost_precision(self):
        project = verified([True] * 64, says=lambda item: Says.YES)
        wrong = Mask.objects.filter(position__in=[3, 9]).values("image")
        Annotation.objects.filter(image__in=wrong).update(category=CategoryFactory(project=project))
        found = report(project)
        assert found.tally.accepted == 64
        assert found.tally.precision == pytest.approx(62 / 64)

    def test_refused_masks_are_not_accepted(self):
        def says(item):
            return Says.NO if item.question.position == 5 else truth(item)

        found = report(verified([True] * 32, says=says, rule="paper", n_s=32))
        assert (found.accepted, found.tally.accepted) == (31, 31)

    def test_masks_in_crowd_regions_are_neither_right_nor_wrong(self):
        project = verified([True] * 32)
        image = Mask.objects.get(position=0).image
        image.annotations.all().delete()
        AnnotationFactory(image=image, category=project.categories.get(), is_crowd=True)
        found = report(project)
        assert (found.tally.accepted, found.tally.ignored, found.tally.precision) == (31, 1, 1.0)

    def test_objects_of_images_without_an_accepted_mask_count_for_coverage(self):
        project = verified([True] * 32)
        for number in range(8):
            image = ImageFactory(project=project, coco_id=number)
            AnnotationFactory(image=image, category=project.categories.get())
        assert report(project).tally.coverage == pytest.approx(32 / 40)

    def test_annotations_of_other_roles_are_not_looked_at(self):
        project = verified([True] * 32)
        for role in (Role.INITIAL, Role.HELDOUT):
            AnnotationFactory(
                image=ImageFactory(project=project, role=role), category=project.categories.get()
            )
        assert report(project).tally.objects == 32

    def test_without_ground_truth_nothing_is_claimed(self):
        found = report(verified([True] * 32, annotated=False)).to_json()
        assert found["accepted_masks"] == 32
        assert (found["precision"], found["sq"], found["coverage"]) == (None, None, None)
        assert found["annotated_images"] == 0

    def test_pool_images_that_no_file_listed_do_not_count(self):
        project = verified([True] * 32)
        Image.objects.filter(masks__position__lt=8).update(coco_id=None)
        found = report(project)
        assert (found.accepted, found.tally.accepted, found.annotated_images) == (32, 24, 24)

    def test_withdrawn_decisions_do_not_count(self):
        project = verified([True] * 32)
        Decision.objects.update(withdrawn_at="2026-03-03T00:00Z")
        assert (report(project).accepted, report(project).tally.accepted) == (0, 0)


class TestEffort:
    def test_hours_are_measured_times_and_drawing_the_initial_set(self):
        project = verified([True] * 32)
        for _ in range(9):
            image = ImageFactory(project=project, role=Role.INITIAL)
            AnnotationFactory(image=image, category=project.categories.get())
        Judgment.objects.update(elapsed_ms=3600)
        found = report(project)
        answers = Judgment.objects.count()
        assert found.is_measured
        assert found.time.verification_hours == pytest.approx(answers * 3.6 / 3600)
        assert found.time.initial_hours == pytest.approx(9 * 80 / 3600)
        assert found.time.hours == pytest.approx((answers * 3.6 + 720) / 3600)
        assert found.time.drawing_hours == pytest.approx(32 * 80 / 3600)

    def test_answers_without_a_time_count_what_an_answer_is_planned_to_take(self):
        project = verified([True] * 32)
        Judgment.objects.update(elapsed_ms=0)
        found = report(project)
        assert not found.is_measured
        assert found.time.verification_hours == pytest.approx(found.questions * 2 / 3600)

    def test_gold_is_work_too_but_no_categorys(self):
        found = report(verified([True] * 32, gold=6))
        assert found.gold_questions > 0
        assert found.questions == found.gold_questions + sum(c.questions for c in found.categories)

    def test_an_answer_that_was_undone_is_none(self):
        project = opened(project_with_tree([True] * 32))
        person = Person.of(project)
        first = items(person.open())[0]
        person.answer(first)
        assert report(project).questions == 1
        undo_answer(item_key=first.key, assignment_id=first.assignment_id, at=person.clock())
        assert report(project).questions == 0


class TestCategories:
    def test_each_has_its_own_row_most_accepted_first(self):
        project = verified([True] * 32)
        CategoryFactory(project=project, name="never seen")
        first, last = report(project).categories
        assert (first.accepted, first.masks, last.accepted, last.name) == (32, 32, 0, "never seen")

    def test_rows_add_up_to_the_whole(self):
        found = report(verified(HALF_RIGHT))
        whole = found.to_json()
        assert whole["accepted_masks"] == sum(row["accepted_masks"] for row in whole["categories"])


class TestForms:
    def test_the_json_has_the_agreed_keys_and_no_nan(self):
        for project in (ProjectFactory(), verified([True] * 32)):
            found = report(project).to_json()
            assert set(found) >= KEYS
            json.dumps(found, allow_nan=False)

    def test_an_empty_project_has_zeros(self):
        found = report(ProjectFactory())
        assert isinstance(found, Report)
        assert (found.accepted, found.questions, found.time.hours) == (0, 0, 0)

    def test_the_command_prints_and_writes_the_same(self, tmp_path):
        project, out = verified([True] * 32), StringIO()
        call_command("report", project.slug, json=tmp_path / "report.json", stdout=out)
        written = json.loads((tmp_path / "report.json").read_text())
        assert written == report(project).to_json()
        text = out.getvalue()
        assert "Accepted masks" in text
        assert "1.000" in text
        assert project.categories.get().name in text

    def test_it_prints_without_ground_truth_or_answers(self):
        out = StringIO()
        call_command("report", ProjectFactory().slug, stdout=out)
        assert "Human hours" in out.getvalue()
        assert "nan" not in out.getvalue()

    def test_an_unknown_project_ends_it_with_a_message(self):
        with pytest.raises(CommandError, match="nobody"):
            call_command("report", "nobody")
