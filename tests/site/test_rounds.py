"""A further round learns from what was accepted, asks about what is new, and counts an object once."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from django.db import transaction
from django.test import Client
from django.urls import reverse

from annotation_site.budget.caps import budget_of, locked_budget, set_caps
from annotation_site.budget.ledger import reserve
from annotation_site.budget.terms import Terms
from annotation_site.catalog.clustering import cluster
from annotation_site.catalog.discarding import discard_trees
from annotation_site.catalog.models import (
    Category,
    Image,
    KnownObject,
    Mask,
    Project,
    Replacement,
    Role,
    Round,
    StageRun,
    Tree,
)
from annotation_site.catalog.rounds import current_round
from annotation_site.catalog.shards import plan_shards, store_shard, unfinished_shards
from annotation_site.catalog.stages import Stage, State, mark_done
from annotation_site.catalog.training import learned_images
from annotation_site.results.exporting import OWN, export_coco
from annotation_site.results.outcomes import Fate, outcome_of, trees_of
from annotation_site.results.reporting import report
from annotation_site.verification import next_round
from annotation_site.verification.carrying_on import carry_on
from annotation_site.verification.checking import check_campaign
from annotation_site.verification.models import Cluster, Decision, Question
from annotation_site.verification.next_round import (
    NothingAccepted,
    NotWorthIt,
    RoundNotOver,
    begin_due_rounds,
    gain_of,
    start_round,
)
from annotation_site.verification.opening import open_campaign
from annotation_site.verification.withdrawing import retract_worker
from annotation_site.verification.yields import masks_by_round, masks_of
from pipeline.predictions import FEATURE_KINDS, Predictions
from pipeline.progress import silent
from tests.factories import NOON, CategoryFactory, ImageFactory, ProjectFactory, rectangle
from tests.site.campaigns import Person, opened, project_with_clusters, together
from tests.site.painted_projects import painted_project
from tests.site.verified_projects import answer_all

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("own_artifacts")]

PLACES = (2, 34)
"""Where objects are: one to the left and one to the right, each 20 pixels wide and 16 high."""


def predicted(*outlines: tuple[int, int, float], category: int = 1) -> Predictions:
    """Predictions of one image: (x, height, score) of rectangles from y = 4 on, 20 pixels wide."""
    count = len(outlines)
    counts = [rectangle(x, 4, 20, height) for x, height, _ in outlines]
    rng = np.random.default_rng([x for x, _, _ in outlines])
    return Predictions(
        categories=np.full(count, category, np.int32),
        boxes=np.array([[x, 4, 20, height] for x, height, _ in outlines], np.float32).reshape(-1, 4),
        class_scores=np.array([score for *_, score in outlines], np.float32),
        predicted_ious=np.ones(count, np.float32),
        masks=[{"size": [48, 64], "counts": one} for one in counts],
        features={kind: rng.normal(size=(count, 4)).astype(np.float32) for kind in FEATURE_KINDS},
    )


def project_of(images: int, **parameters: object) -> Project:
    """A project whose every pool image has an object at each of `PLACES`, without annotations."""
    defaults = {"k_pa": 0.05, "n_s": 5, "min_size": 1, "confidence": 0.0, "gold_share": 0.0}
    project = ProjectFactory(**{**defaults, **parameters})
    CategoryFactory(project=project, coco_id=1)
    for _ in range(images):
        ImageFactory(project=project)
    return project


def run_round(round_: Round, *outlines: tuple[int, int, float]) -> None:
    """Detect, cluster and open a round in which every image has the same predictions."""
    plan_shards(round_, Role.POOL)
    for shard in unfinished_shards(round_):
        images = Image.objects.filter(project=round_.project).order_by("pk")
        store_shard(shard, {image.pk: predicted(*outlines) for image in images}, at=NOON)
    cluster(round_, silent)
    open_campaign(project=round_.project, at=NOON)
    mark_done(round_, Stage.OPEN, message="", at=NOON)


def positions(tree: Tree, fate: Fate) -> int:
    outcome = outcome_of(tree)
    segments = outcome.segments([fate])
    return sum(outcome.fate(one, at) == fate for one in segments for at in range(one.lo, one.hi))


def accept_everything(project: Project) -> Person:
    return answer_all(project, says=lambda item: "yes")


def two_rounds(second: tuple[tuple[int, int, float], ...], images: int = 8) -> tuple[Project, Person]:
    """A project that accepted the left objects in round 1 and has answered yes to all of round 2."""
    project = project_of(images)
    run_round(current_round(project), (PLACES[0], 16, 0.6))
    accept_everything(project)
    run_round(start_round(project=project), *second)
    return project, accept_everything(project)


def test_what_is_accepted_is_not_asked_again_and_what_is_new_is() -> None:
    project, _ = two_rounds(((PLACES[0], 15, 0.62), (PLACES[1], 16, 0.6)))
    tree = Tree.objects.get(round__number=2)
    assert tree.n == 8
    assert set(tree.masks.values_list("x", flat=True)) == {PLACES[1]}
    assert masks_of(project).accepted == 16
    assert {number: found.accepted for number, found in masks_by_round(project).items()} == {1: 8, 2: 8}
    assert gain_of(current_round(project), masks_by_round(project)) == 1.0
    assert check_campaign(project) == []


def test_an_object_of_another_category_is_not_known() -> None:
    project = project_of(4)
    run_round(current_round(project), (PLACES[0], 16, 0.6))
    accept_everything(project)
    other = CategoryFactory(project=project, coco_id=2)
    round_ = start_round(project=project)
    plan_shards(round_, Role.POOL)
    shard = unfinished_shards(round_).get()
    image = project.images.first()
    store_shard(shard, {image.pk: predicted((PLACES[0], 16, 0.6), category=2)}, at=NOON)
    cluster(round_, silent)
    assert Tree.objects.get(round=round_).category == other


def test_a_better_mask_replaces_the_accepted_one_once_it_is_accepted_itself() -> None:
    project, _ = two_rounds(((PLACES[0], 14, 0.8),))
    first, second = Tree.objects.order_by("round__number")
    assert second.n == Replacement.objects.count() == 8
    assert (positions(first, Fate.REPLACED), positions(first, Fate.ACCEPTED)) == (8, 0)
    assert positions(second, Fate.ACCEPTED) == masks_of(project).accepted == 8
    assert gain_of(current_round(project), masks_by_round(project)) == 0.0


def test_until_the_better_mask_is_accepted_the_known_one_counts() -> None:
    project = project_of(8)
    run_round(current_round(project), (PLACES[0], 16, 0.6))
    accept_everything(project)
    run_round(start_round(project=project), (PLACES[0], 14, 0.8))
    assert masks_of(project).accepted == 8
    answer_all(project, says=lambda item: "no")
    assert masks_of(project).accepted == 8
    assert positions(Tree.objects.get(round__number=1), Fate.ACCEPTED) == 8


def test_when_a_replacement_falls_the_known_mask_counts_again() -> None:
    project, person = two_rounds(((PLACES[0], 14, 0.8),))
    first_round = project.rounds.get(number=1)
    retract_worker(membership=person.member, reason="a test", at=NOON)
    assert masks_by_round(project).keys() <= {1}
    assert positions(first_round.trees.get(), Fate.ACCEPTED) == masks_of(project).accepted == 8


def test_a_chain_of_replacements_counts_its_object_once() -> None:
    project, _ = two_rounds(((PLACES[0], 14, 0.75),))
    run_round(start_round(project=project, least_gain=0), (PLACES[0], 15, 0.95))
    person = accept_everything(project)
    assert masks_of(project).accepted == 8
    retract_worker(membership=person.member, reason="a test", at=NOON)
    assert masks_of(project).accepted == 8
    assert sum(outcome_of(tree).accepted for tree in trees_of(project)) == 8


def test_of_two_predictions_of_a_known_object_only_the_better_is_asked_about() -> None:
    two_rounds(((PLACES[0], 14, 0.8), (PLACES[0], 15, 0.9)))
    assert {round(mask.score, 2) for mask in Tree.objects.get(round__number=2).masks.all()} == {0.9}


def test_export_and_report_count_an_object_once_and_keep_the_trail(tmp_path: Path) -> None:
    project, _ = two_rounds(((PLACES[0], 14, 0.8), (PLACES[1], 16, 0.6)))
    exported = tmp_path / "out.json"
    told = export_coco(project=project, path=exported, at=NOON)
    annotations = json.loads(exported.read_text())["annotations"]
    assert told.annotations == len(annotations) == masks_of(project).accepted == 16
    replacing = [one for one in annotations if one[OWN]["replaces"]]
    earlier = set(Mask.objects.filter(tree__round__number=1).values_list("pk", flat=True))
    assert {mask for one in replacing for mask in one[OWN]["replaces"]} == earlier
    export_coco(project=project, path=exported, at=NOON, include="all")
    fates = [one[OWN]["decision"] for one in json.loads(exported.read_text())["annotations"]]
    assert (fates.count("accepted"), fates.count("replaced")) == (16, 8)
    found = report(project)
    assert found.accepted == 16
    assert [(r.number, r.known, r.accepted, r.replaced, r.objects) for r in found.rounds] == [
        (1, 0, 8, 0, 8),
        (2, 8, 16, 8, 16),
    ]
    assert found.rounds[1].gain == 1.0
    assert sum(r.questions for r in found.rounds) == found.questions


def test_the_reports_page_has_a_row_for_each_round_once_there_are_two(admin_client: Client) -> None:
    project = project_of(8)
    run_round(current_round(project), (PLACES[0], 16, 0.6))
    accept_everything(project)
    url = reverse("dashboards:report", args=[project.slug])
    assert "Rounds</h2>" not in admin_client.get(url).content.decode()
    run_round(start_round(project=project), (PLACES[0], 14, 0.8), (PLACES[1], 16, 0.6))
    accept_everything(project)
    table = admin_client.get(url).content.decode().partition("Rounds</h2>")[2].partition("</table>")[0]
    rows = [[*re.findall(r">([^<>]+)</t[hd]>", row)] for row in table.split("<tr>")[2:]]
    # Round, known, masks, accepted, replaced, objects, precision, coverage; then what was asked, AP50, AP75.
    assert [row[:8] for row in rows] == [
        ["1", "0", "8", "8", "0", "8", "–", "–"],
        ["2", "8", "16", "16", "8", "16", "–", "–"],
    ]
    assert [row[9:] for row in rows] == [["–", "–"]] * 2


def test_a_round_learns_from_initial_images_and_from_accepted_masks(tmp_path: Path) -> None:
    project = painted_project(tmp_path)
    round_ = current_round(project)
    carry_on(round_)
    answer_all(project, says=lambda item: "yes" if item.question.pk % 3 else "no")
    second = start_round(project=project, now=True, least_gain=0)
    known = set(KnownObject.objects.filter(round=second).values_list("mask", flat=True))
    images = list(learned_images(second))
    sparse = [image for image in images if image.sparse]
    assert len(images) - len(sparse) == project.images.filter(role=Role.INITIAL).count()
    assert sum(len(image.masks) for image in sparse) == len(known) == masks_of(project).accepted
    names = [image.source.name for image in sparse]
    in_these = Mask.objects.filter(tree__role=Role.POOL, image__name__in=names)
    not_accepted = in_these.exclude(pk__in=known)
    assert sum(len(image.ignored) for image in sparse) == not_accepted.count()
    scores = sorted(score for image in sparse for score in image.ignored_scores)
    assert scores == sorted(not_accepted.values_list("score", flat=True))
    assert not any(image.sparse for image in learned_images(round_))


def test_two_rounds_run_by_their_commands(tmp_path: Path, capsys) -> None:
    project = painted_project(tmp_path, k_pa=0.05, n_s=3)
    call_command("run_pipeline", project.slug)
    with pytest.raises(CommandError, match="open clusters to ask about"):
        call_command("start_round", project.slug)
    accept_everything(project)
    call_command("start_round", project.slug, until="train")
    call_command("start_round", project.slug)
    out = capsys.readouterr().out
    assert out.count("Round 2 of") == 2
    second = current_round(project)
    assert second.number == 2
    assert StageRun.objects.get(round=second, stage=Stage.OPEN).state == State.DONE
    # The fake predicts the same again.
    known = KnownObject.objects.filter(round=second).count()
    assert Mask.objects.filter(tree__round=second, tree__role=Role.POOL).count() == (
        Mask.objects.filter(tree__round__number=1, tree__role=Role.POOL).count() - known
    )
    with pytest.raises(CommandError):
        call_command("start_round", project.slug, better_by=7.0)


class TestRefusals:
    def test_a_round_that_is_not_open_is_not_followed(self) -> None:
        with pytest.raises(RoundNotOver, match="run_pipeline"):
            start_round(project=project_of(1))

    def test_open_questions_are_left_only_when_asked_to(self) -> None:
        project = project_of(8)
        run_round(current_round(project), (PLACES[0], 16, 0.6))
        ada = Person.of(project, says=lambda item: "yes")
        with pytest.raises(RoundNotOver, match="open clusters"):
            start_round(project=project)
        ada.answer(ada.open().items.first())
        with pytest.raises(NothingAccepted):
            start_round(project=project, now=True)
        assert Cluster.objects.filter(is_open=True).exists()

    def test_what_is_left_open_is_closed(self) -> None:
        project = opened(project_with_clusters([1.0, 0.5, 0.5], hit_size=15))
        round_ = current_round(project)
        mark_done(round_, Stage.OPEN, message="", at=NOON)
        person = Person.of(project)
        while not masks_of(project).accepted:
            person.work()
        assert Cluster.objects.filter(is_open=True).exists()
        begun = start_round(project=project, now=True)
        assert begun.known.count() == masks_of(project).accepted
        assert not Cluster.objects.filter(is_open=True).exists()
        assert not Question.objects.filter(wanted__gt=0).exists()
        assert check_campaign(project) == []

    def test_a_spent_budget_ends_it(self) -> None:
        project, _ = two_rounds(((PLACES[1], 16, 0.6),))
        set_caps(project=project, questions=budget_of(project).committed_questions, money=None)
        with pytest.raises(NotWorthIt, match="budget"):
            start_round(project=project)

    def test_a_budget_that_pays_places_of_marketplaces_alone_ends_it_when_none_is_left_in_it(self) -> None:
        project, _ = two_rounds(((PLACES[1], 16, 0.6),))
        set_caps(project=project, questions=None, money=Decimal(1))
        with transaction.atomic():
            terms = Terms(per_hit=Decimal("0.60"))
            about = {"questions": 5, "reference": "assignment:0", "terms": terms, "at": NOON}
            reserve(budget=locked_budget(project.pk), **about)
        with pytest.raises(NotWorthIt, match="budget"):
            start_round(project=project)

    def test_a_round_that_added_too_little_ends_it(self) -> None:
        project, _ = two_rounds(((PLACES[0], 16, 0.6),))
        assert not Tree.objects.filter(round__number=2).exists()
        with pytest.raises(NotWorthIt, match=r"added 0\.0%"):
            start_round(project=project)
        assert start_round(project=project, least_gain=0).number == 3


def test_many_who_begin_at_once_begin_one_round() -> None:
    project = project_of(4)
    run_round(current_round(project), (PLACES[0], 16, 0.6))
    accept_everything(project)
    begun = together([lambda: start_round(project=Project.objects.get())] * 4)
    assert {round_.number for round_ in begun} == {2}
    assert KnownObject.objects.count() == 4


def test_rounds_begin_by_themselves_up_to_the_number_wanted() -> None:
    project = project_of(4, most_rounds=2)
    assert begin_due_rounds() == []
    run_round(current_round(project), (PLACES[0], 16, 0.6))
    assert begin_due_rounds() == []
    accept_everything(project)
    assert [round_.number for round_ in begin_due_rounds()] == [2]
    assert begin_due_rounds() == []
    run_round(current_round(project), (PLACES[1], 16, 0.6))
    accept_everything(project)
    assert begin_due_rounds() == []


def test_a_round_that_is_not_worth_it_is_reckoned_once_until_something_changes(monkeypatch) -> None:
    project, _ = two_rounds(((PLACES[0], 16, 0.6),))
    Project.objects.update(most_rounds=3)
    reckoned = []
    monkeypatch.setattr(
        next_round, "masks_by_round", lambda project: reckoned.append(project) or masks_by_round(project)
    )
    assert begin_due_rounds() == begin_due_rounds() == []
    assert len(reckoned) == 1
    Decision.objects.filter(tree__round__project=project).update(withdrawn_at=NOON)
    assert begin_due_rounds() == []
    assert len(reckoned) == 2
    Decision.objects.update(withdrawn_at=None)
    Project.objects.update(least_gain=0)
    assert [round_.number for round_ in begin_due_rounds()] == [3]


def test_rounds_that_only_find_what_is_known_have_nothing_to_ask() -> None:
    project, _ = two_rounds(((PLACES[0], 16, 0.6),))
    assert project.categories.count() == Category.objects.filter(trees__round__number=1).distinct().count()
    assert check_campaign(project) == []


def test_forcing_a_stage_forgets_what_the_round_could_have_replaced() -> None:
    project = project_of(4)
    run_round(current_round(project), (PLACES[0], 16, 0.6))
    accept_everything(project)
    round_ = start_round(project=project)
    plan_shards(round_, Role.POOL)
    for shard in unfinished_shards(round_):
        images = Image.objects.filter(project=project)
        store_shard(shard, {image.pk: predicted((PLACES[0], 14, 0.9)) for image in images}, at=NOON)
    for _ in range(2):
        discard_trees(round_)
        assert not Replacement.objects.exists()
        cluster(round_, silent)
        assert Replacement.objects.count() == 4
