"""Creating a project: the paper's parameters unless told otherwise, refused by name, safe to repeat."""

from __future__ import annotations

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from annotation_site.catalog.models import Project
from annotation_site.catalog.projects import (
    ProjectDiffers,
    ProjectRefused,
    categories_of,
    create_project,
    numbered,
)
from pipeline.coco import CocoCategory, CocoError

pytestmark = pytest.mark.django_db


def command(*arguments: str) -> str:
    out = StringIO()
    call_command("create_project", *arguments, stdout=out)
    return out.getvalue()


class TestCreating:
    def test_parameters_default_to_the_papers_but_for_strategy_and_rule(self):
        project = create_project(name="Street Views", categories=numbered(["car", "bus"])).project
        assert project.slug == "street-views"
        assert (project.k_iou, project.k_a, project.n_s, project.confidence) == (0.75, 0.85, 15, 0.2)
        assert (project.strategy, project.rule) == ("expected_yield", "sequential")
        assert list(project.categories.values_list("coco_id", "name")) == [(1, "car"), (2, "bus")]

    def test_each_parameter_can_be_chosen(self):
        chosen = {"k_iou": 0.6, "n_s": 9, "strategy": "depth_first", "rule": "paper", "use_score": False}
        project = create_project(name="p", categories=numbered(["car"]), parameters=chosen).project
        assert {name: getattr(project, name) for name in chosen} == chosen

    def test_asking_again_for_the_same_project_changes_nothing(self):
        first = create_project(name="p", categories=numbered(["car"]), parameters={"n_s": 9})
        again = create_project(name="p", categories=numbered(["car"]), parameters={"n_s": 9})
        assert (first.new, again.new) == (True, False)
        assert again.project == first.project

    @pytest.mark.parametrize(
        ("names", "parameters", "differing"),
        [(["car"], {"n_s": 9}, "n_s"), (["car", "bus"], {}, "categories")],
    )
    def test_another_project_under_a_taken_name_is_refused(self, names, parameters, differing):
        create_project(name="p", categories=numbered(["car"]))
        with pytest.raises(ProjectDiffers, match=differing):
            create_project(name="p", categories=numbered(names), parameters=parameters)

    @pytest.mark.parametrize(
        ("name", "categories", "parameters", "why"),
        [
            ("!!", numbered(["car"]), {}, "needs a letter or a digit"),
            ("p", [], {}, "at least one category"),
            ("p", numbered(["car", "car"]), {}, "same name: car"),
            ("p", [CocoCategory(1, "a"), CocoCategory(1, "b")], {}, "same id: 1"),
            ("p", numbered([" "]), {}, "1 to 120 letters"),
            ("p", [CocoCategory(2**40, "a")], {}, "below 2"),
            ("p", numbered(["car"]), {"k_a": 1.5}, "k_a"),
            ("p", numbered(["car"]), {"rule": "guess"}, "rule is one of"),
            ("p", numbered(["car"]), {"strategy": "oracle"}, "only simulations know.*expected_yield"),
            ("p", numbered(["car"]), {"colour": "red"}, "No parameter is called colour"),
        ],
    )
    def test_what_is_not_valid_is_refused_saying_why(self, name, categories, parameters, why):
        with pytest.raises(ProjectRefused, match=why):
            create_project(name=name, categories=categories, parameters=parameters)
        assert not Project.objects.exists()


class TestCategoriesOfAFile:
    def test_ids_and_supercategories_are_the_files(self, tmp_path):
        file = tmp_path / "coco.json"
        file.write_text(json.dumps({"categories": [{"id": 18, "name": "dog", "supercategory": "animal"}]}))
        assert categories_of(file) == [CocoCategory(18, "dog", "animal")]

    def test_a_file_without_categories_is_refused_by_name(self, tmp_path):
        file = tmp_path / "coco.json"
        file.write_text("{}")
        with pytest.raises(CocoError, match=r"coco\.json has no categories"):
            categories_of(file)


class TestCommand:
    def test_it_creates_from_names_and_says_what_comes_next(self):
        out = command("Street Views", "--categories", "car, bus", "--k-a", "0.9", "--use-score", "no")
        assert "Created street-views with 2 categories" in out
        assert "import_images street-views" in out
        project = Project.objects.get()
        assert (project.k_a, project.use_score, project.name) == (0.9, False, "Street Views")
        assert set(project.categories.values_list("name", flat=True)) == {"car", "bus"}

    def test_it_creates_from_a_coco_file(self, tmp_path):
        file = tmp_path / "coco.json"
        file.write_text(json.dumps({"categories": [{"id": 18, "name": "dog"}]}))
        command("dogs", "--from-coco", str(file))
        assert Project.objects.get().categories.get().coco_id == 18

    def test_run_again_it_says_that_nothing_changed(self):
        command("p", "--categories", "car")
        assert "there already" in command("p", "--categories", "car")

    @pytest.mark.parametrize(
        "arguments",
        [
            ("p", "--from-coco", "/nowhere/coco.json"),
            ("p", "--categories", "a,a"),
            ("p", "--categories", "a", "--k-a", "2"),
            ("p", "--categories", "a", "--use-score", "perhaps"),
            ("p", "--categories", "a", "--rule", "guess"),
            ("p",),
        ],
    )
    def test_errors_end_it_with_a_message(self, arguments):
        with pytest.raises(CommandError):
            command(*arguments)

    def test_the_strategy_of_simulations_is_refused_with_what_to_choose(self):
        with pytest.raises(CommandError, match=r"only simulations know.*choose 'expected_yield'"):
            command("p", "--categories", "a", "--strategy", "oracle")

    def test_help_tells_the_defaults(self, capsys):
        with pytest.raises(SystemExit):
            call_command("create_project", "--help")
        assert "--k-iou" in capsys.readouterr().out
