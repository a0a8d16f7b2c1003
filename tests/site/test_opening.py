"""Opening a campaign: the candidates of its trees become clusters, their samples become questions."""

from __future__ import annotations

import numpy as np
import pytest

from annotation_site.catalog.models import Project, Round
from annotation_site.verification.checking import check_campaign
from annotation_site.verification.claiming import CampaignPaused
from annotation_site.verification.ground import ground_of, rules_of, thresholds_of
from annotation_site.verification.models import Cluster, Decision, Question, SearchRules
from annotation_site.verification.opening import (
    NothingToOpen,
    NotOpen,
    open_campaign,
    pause_campaign,
    resume_campaign,
)
from pipeline.progress import StopRequested
from pipeline.sampling import leaf_keys, sample
from tests.factories import NOON, ProjectFactory, RoundFactory
from tests.site.campaigns import Person, add_tree, items, opened, project_with_clusters, project_with_tree

pytestmark = pytest.mark.django_db


def test_noise_aware_rules_are_told_how_often_workers_are_right() -> None:
    project = Project(rule="sequential", worker_accuracy=0.9)
    assert rules_of(project, Round()).thresholds["accuracy"] == 0.9


def test_every_candidate_opens_with_its_bottom_k_sample() -> None:
    project = project_with_clusters([0.9, 0.5, 0.1], size=32)
    outcome = open_campaign(project=project, at=NOON)
    assert (outcome.opened, outcome.decided, outcome.asked) == (3, 0, 45)
    for cluster in Cluster.objects.all():
        keys = leaf_keys(192, seed=7)
        asked = cluster.questions.order_by("rank").values_list("position", flat=True)
        assert list(asked) == sample(keys, cluster.lo, cluster.hi, 15).tolist()
        assert (cluster.size, cluster.sample_size, cluster.is_open) == (32, 15, True)
        assert cluster.mean_score == pytest.approx(0.9)
    assert check_campaign(project) == []


def test_questions_are_about_the_mask_at_their_leaf() -> None:
    project = opened(project_with_tree([True] * 20))
    for question in Question.objects.select_related("mask"):
        assert (question.mask.tree_id, question.mask.position) == (question.tree_id, question.position)
        assert question.category == question.tree.category
    assert Question.objects.filter(project=project).count() == 15


def test_the_first_questions_are_those_that_cannot_be_in_vain() -> None:
    opened(project_with_tree([True] * 20))
    by_rank = Question.objects.order_by("rank").values_list("turn", flat=True)
    assert list(by_rank) == [0] * 6 + [1] * 9  # three yes and three no already split


def test_opening_again_changes_nothing() -> None:
    project = opened(project_with_clusters([0.9, 0.1]))
    Person.of(project).work()
    before = list(Question.objects.order_by("pk").values())
    outcome = open_campaign(project=project, at=NOON)
    assert (outcome.opened, outcome.asked) == (0, 0)
    assert list(Question.objects.order_by("pk").values()) == before


def test_nodes_below_k_pa_leave_no_row() -> None:
    project = project_with_tree([True] * 64, scores=np.repeat([0.9, 0.1], 32), k_pa=0.7)
    opened(project)
    assert list(Cluster.objects.values_list("lo", "hi", "parent")) == [(0, 32, None)]


def test_k_pa_is_the_projects_else_the_calibrated_else_the_papers() -> None:
    project, round_ = Project(k_pa=0.4), Round(k_pa=0.6)
    assert thresholds_of(project, round_).k_pa == 0.4
    assert thresholds_of(Project(), round_).k_pa == 0.6
    assert thresholds_of(Project(), Round()).k_pa == 0.7


def test_parameters_changed_after_the_opening_are_for_later_rounds() -> None:
    project = opened(project_with_tree([True] * 32))
    Project.objects.filter(pk=project.pk).update(n_s=3, k_a=0.6)
    tree = project.rounds.get().trees.get()
    assert ground_of(tree.pk).thresholds.n_s == 15
    assert SearchRules.objects.get().thresholds["k_a"] == 0.85


def test_an_opening_that_is_stopped_leaves_nothing_and_may_be_repeated_with_other_parameters() -> None:
    project = project_with_tree([True] * 32)

    def stop(done: int, total: int, message: str = "") -> None:
        if done:
            raise StopRequested("enough")

    with pytest.raises(StopRequested):
        open_campaign(project=project, at=NOON, progress=stop)
    assert not Cluster.objects.exists()
    assert Project.objects.get().state == Project.State.DRAFT
    project.n_s = 4
    project.save()
    assert open_campaign(project=project, at=NOON).asked == 4


def test_a_project_without_trees_is_refused() -> None:
    with pytest.raises(NothingToOpen, match=r"manage\.py cluster"):
        open_campaign(project=ProjectFactory(), at=NOON)


def test_an_even_number_of_judgments_is_refused() -> None:
    project = project_with_tree([True] * 32, judgments_per_question=2)
    with pytest.raises(ValueError, match="odd"):
        open_campaign(project=project, at=NOON)


def test_rules_name_strategies_and_rules_that_exist() -> None:
    with pytest.raises(KeyError, match="by_dice"):
        rules_of(Project(strategy="by_dice"), Round())


def test_a_later_round_closes_what_earlier_ones_left_open() -> None:
    project = opened(project_with_tree([True] * 32))
    later = RoundFactory(project=project, number=2)
    category = project.categories.get()
    add_tree(later, [True] * 20, scores=np.full(20, 0.9), category=category)
    outcome = open_campaign(project=project, at=NOON)
    assert outcome.asked == 15
    assert list(Cluster.objects.filter(is_open=True).values_list("tree__round__number", flat=True)) == [2]
    ada = Person.of(project)
    assert {item.question.tree.round_id for item in items(ada.open())} == {later.pk}
    assert check_campaign(project) == []


def test_a_pause_stops_new_hits_but_not_answers() -> None:
    project = opened(project_with_tree([True] * 32))
    ada, ben = Person.of(project, "Ada"), Person.of(project, "Ben")
    hit = ada.open()
    pause_campaign(project=project)
    with pytest.raises(CampaignPaused):
        ben.open()
    assert ada.open() == hit
    assert ada.answer(items(hit)[0]).counts
    resume_campaign(project=project)
    assert ben.open()


def test_what_was_never_opened_cannot_be_paused() -> None:
    with pytest.raises(NotOpen, match=r"manage\.py open"):
        pause_campaign(project=ProjectFactory())


def test_what_is_known_settles_clusters_as_they_open_however_deep() -> None:
    """With every mask answered at the root, all that the split opens is decided in the same moment."""
    correct = [True] * 5 + [False] * 3 + [True] * 3 + [False] * 5
    project = opened(project_with_tree(correct, n_s=16, min_size=1, rule="paper"))
    ada = Person.of(project)
    while Cluster.objects.filter(is_open=True).exists():
        ada.work()
    decisions = Decision.objects.all()
    assert len({decision.at for decision in decisions}) == 1
    accepted = {
        leaf for d in decisions.filter(verdict="accept") for leaf in range(d.interval.lower, d.interval.upper)
    }
    assert accepted == {leaf for leaf, right in enumerate(correct) if right}
    assert check_campaign(project) == []
