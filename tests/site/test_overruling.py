"""An admin's verdict lies over what people decided, asks nobody in vain, and can be undone."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from annotation_site.catalog.models import Project, Role, Tree
from annotation_site.results.exporting import export_coco
from annotation_site.results.measured import facts
from annotation_site.results.outcomes import Fate, outcome_of, trees_of
from annotation_site.results.reporting import report
from annotation_site.verification.answering import record_answer
from annotation_site.verification.checking import check_campaign
from annotation_site.verification.claiming import NoHit
from annotation_site.verification.ground import ground_of
from annotation_site.verification.models import (
    Assignment,
    Cluster,
    Decision,
    Judgment,
    Overruling,
    Question,
    Says,
)
from annotation_site.verification.opening import open_campaign
from annotation_site.verification.overruling import CannotOverrule, overrule, reopen, undo_overruling
from annotation_site.verification.trust import stop_worker
from annotation_site.verification.yields import Masks, masks_of
from tests.factories import NOON, RoundFactory
from tests.site.campaigns import (
    Person,
    add_tree,
    items,
    masks_only,
    opened,
    project_with_clusters,
    project_with_tree,
    standing,
    together,
)
from tests.site.verified_projects import answer_all, own_images, tree_of, verified

pytestmark = pytest.mark.django_db

HALVES = [True] * 32 + [False] * 32


@pytest.fixture
def ada() -> User:
    return User.objects.create_user("ada", is_staff=True)


def node_at(tree: Tree, lo: int, hi: int) -> int:
    """The node of leaves [lo, hi)."""
    dendrogram = ground_of(tree.pk).tree
    return int(np.flatnonzero((dendrogram.lo == lo) & (dendrogram.hi == hi))[0])


def say(tree: Tree, lo: int, hi: int, verdict: str, by: User, reason: str = "seen by eye") -> Overruling:
    return overrule(tree=tree, node=node_at(tree, lo, hi), verdict=verdict, reason=reason, by=by, at=NOON)


def fates(project: Project) -> list[Fate]:
    """What became of each mask of the only tree, in leaf order."""
    outcome = outcome_of(trees_of(project).get())
    return [outcome.fate(segment, at) for segment in outcome.pieces for at in range(segment.lo, segment.hi)]


def test_rejecting_a_part_of_an_accepted_cluster_leaves_the_rest_accepted(ada: User) -> None:
    project = verified([True] * 64)
    say(tree_of(project), 16, 32, "reject", ada)
    assert standing(project) == {(0, 64): "accept"}
    assert fates(project) == [Fate.ACCEPTED] * 16 + [Fate.REJECTED] * 16 + [Fate.ACCEPTED] * 32
    assert masks_of(project) == Masks(accepted=48, rejected=16)
    assert report(project).accepted == 48
    assert check_campaign(project) == []


def test_undoing_it_brings_back_what_people_decided(ada: User) -> None:
    project = verified(HALVES)
    before = fates(project)
    said = say(tree_of(project), 0, 64, "reject", ada)
    assert set(fates(project)) == {Fate.REJECTED}
    for _ in range(2):
        undo_overruling(overruling=said, by=ada, at=NOON)
    assert fates(project) == before
    assert Overruling.objects.get().undone_by == ada


def test_nobody_is_asked_about_what_was_decided_by_hand_until_that_is_undone(ada: User) -> None:
    project = opened(project_with_tree(HALVES))
    said = say(tree_of(project), 0, 64, "accept", ada)
    assert not Question.objects.filter(wanted__gt=0).exists()
    with pytest.raises(NoHit):
        Person.of(project).open()
    assert check_campaign(project) == []
    undo_overruling(overruling=said, by=ada, at=NOON)
    assert check_campaign(project) == []
    answer_all(project)
    assert standing(project) == {(0, 64): "split", (0, 32): "accept", (32, 64): "reject"}


def test_an_answer_under_way_counts_again_when_the_verdict_is_undone(ada: User) -> None:
    project = opened(project_with_tree([True] * 64))
    person = Person.of(project)
    waiting = items(person.open())
    said = say(tree_of(project), 0, 64, "reject", ada)
    assert not person.answer(waiting[0]).counts
    undo_overruling(overruling=said, by=ada, at=NOON)
    for item in waiting[1:]:
        person.answer(item)
    answer_all(project)
    assert check_campaign(project) == []
    assert masks_of(project).accepted == 64


def test_a_split_opens_only_what_no_verdict_covers(ada: User) -> None:
    project = opened(project_with_tree(HALVES))
    said = say(tree_of(project), 32, 64, "reject", ada)
    answer_all(project)
    assert standing(project) == {(0, 64): "split", (0, 32): "accept"}
    assert check_campaign(project) == []
    undo_overruling(overruling=said, by=ada, at=NOON)
    child = Cluster.objects.get(lo=32, hi=64)
    assert child.parent is not None
    assert (child.parent.lo, child.parent.hi) == (0, 64)
    answer_all(project)
    assert standing(project)[32, 64] == "reject"


def test_the_innermost_verdict_counts_and_a_larger_one_replaces_those_inside(ada: User) -> None:
    project = verified([True] * 64)
    tree = tree_of(project)
    say(tree, 0, 32, "reject", ada)
    say(tree, 0, 16, "accept", ada)
    assert masks_of(project) == Masks(accepted=48, rejected=16)
    larger = say(tree, 0, 64, "reject", ada)
    assert masks_of(project) == Masks(accepted=0, rejected=64)
    undo_overruling(overruling=larger, by=ada, at=NOON)
    assert masks_of(project) == Masks(accepted=48, rejected=16)
    assert masks_of(project).accepted == outcome_of(trees_of(project).get()).accepted


def test_what_was_replaced_is_undone_only_after_what_replaced_it(ada: User) -> None:
    project = verified([True] * 64)
    first = say(tree_of(project), 0, 32, "reject", ada)
    say(tree_of(project), 0, 32, "accept", ada)
    with pytest.raises(CannotOverrule, match="undo that one first"):
        undo_overruling(overruling=first, by=ada, at=NOON)


def test_a_verdict_that_comes_back_gives_way_to_a_later_one(ada: User) -> None:
    project = verified([True] * 64)
    tree = tree_of(project)
    say(tree, 0, 16, "reject", ada)
    larger = say(tree, 0, 64, "reject", ada)
    say(tree, 0, 32, "accept", ada)
    undo_overruling(overruling=larger, by=ada, at=NOON)
    assert masks_of(project) == Masks(accepted=64, rejected=0)


def test_a_refused_mask_is_accepted_by_a_verdict_on_itself_and_by_no_other(ada: User) -> None:
    project = project_with_tree([True] * 64)
    own_images(project)
    tree = tree_of(opened(project))
    position = int(ground_of(tree.pk).sample(0)[0])
    answer_all(project, says=lambda item: Says("no" if item.question.position == position else "yes"))
    assert masks_of(project) == Masks(accepted=63, rejected=1)
    say(tree, 0, 64, "accept", ada)
    assert masks_of(project) == Masks(accepted=63, rejected=1)
    say(tree, position, position + 1, "accept", ada)
    assert masks_of(project) == Masks(accepted=64, rejected=0)
    assert outcome_of(trees_of(project).get()).accepted == 64


def test_a_single_mask_is_taken_out_of_an_accepted_cluster(ada: User) -> None:
    project = verified([True] * 64)
    say(tree_of(project), 7, 8, "reject", ada)
    assert fates(project).index(Fate.REJECTED) == 7
    assert masks_of(project) == Masks(accepted=63, rejected=1)
    assert report(project).tally.accepted == 63


def test_a_mask_that_nobody_was_asked_about_is_put_in_by_hand(ada: User) -> None:
    project = project_with_tree([True] * 8, min_size=16)
    own_images(project)
    opened(project)
    say(tree_of(project), 3, 4, "accept", ada)
    assert masks_of(project) == Masks(accepted=1, rejected=0)
    assert report(project).tally.accepted == 1


def test_the_export_says_whose_verdict_it_was_and_why(ada: User, tmp_path: Path) -> None:
    project = verified([True] * 64)
    tree = tree_of(project)
    say(tree, 0, 32, "reject", ada)
    say(tree, 40, 41, "reject", ada)
    say(tree, 3, 4, "accept", ada, reason="a fine one")
    export_coco(project=project, path=tmp_path / "out.json", at=NOON)
    written = {
        row["maskgrove"]["position"]: row
        for row in json.loads((tmp_path / "out.json").read_text())["annotations"]
    }
    assert set(written) == {3, *range(32, 64)} - {40}
    evidence = written[3]["maskgrove"]["evidence"]
    assert (evidence["rule"], evidence["by"], evidence["reason"]) == ("by hand", "ada", "a fine one")
    assert written[50]["maskgrove"]["evidence"]["rule"] == "curtailed"


def test_the_report_is_measured_anew_after_a_verdict_and_after_its_undoing(ada: User) -> None:
    project = verified([True] * 64)
    seen = [facts(project)]
    said = say(tree_of(project), 0, 32, "reject", ada)
    seen.append(facts(project))
    undo_overruling(overruling=said, by=ada, at=NOON)
    assert seen[0] != seen[1] != facts(project)


def test_people_are_asked_anew_about_a_reopened_cluster_and_the_split_above_stays(ada: User) -> None:
    project = opened(project_with_tree(HALVES))
    spammer = Person.of(project, "Spammer", says=lambda item: Says.NO if item.question.mask else Says.YES)
    while Cluster.objects.filter(is_open=True).exists():
        Person.of(project, f"Honest {Assignment.objects.count()}").work()
    tree = tree_of(project)
    said = reopen(tree=tree, node=node_at(tree, 0, 32), reason="looks mixed", by=ada, at=NOON)
    assert standing(project) == {(0, 64): "split", (32, 64): "reject"}
    assert Cluster.objects.get(lo=0, hi=32).is_open
    assert check_campaign(project) == []
    while Cluster.objects.filter(is_open=True).exists():
        spammer.work()
    assert standing(project)[0, 32] == "reject"
    assert check_campaign(project) == []
    undo_overruling(overruling=said, by=ada, at=NOON)
    assert check_campaign(project) == []


def test_undoing_a_reopening_at_once_brings_back_decision_and_answers(ada: User) -> None:
    project = verified(HALVES)
    counting = Judgment.objects.counting().count()
    tree = tree_of(project)
    said = reopen(tree=tree, node=node_at(tree, 0, 32), reason="looks mixed", by=ada, at=NOON)
    assert Judgment.objects.counting().count() < counting
    undo_overruling(overruling=said, by=ada, at=NOON)
    assert Judgment.objects.counting().count() == counting
    assert standing(project) == {(0, 64): "split", (0, 32): "accept", (32, 64): "reject"}
    assert check_campaign(project) == []


def test_answers_of_who_was_stopped_since_stay_aside(ada: User) -> None:
    project = opened(project_with_tree([True] * 64))
    person = answer_all(project)
    tree = tree_of(project)
    said = reopen(tree=tree, node=0, reason="doubt", by=ada, at=NOON)
    stop_worker(membership=person.member, reason="a bot", at=NOON, retract=True)
    undo_overruling(overruling=said, by=ada, at=NOON)
    assert not Judgment.objects.counting().filter(of_gold=False).exists()
    assert Cluster.objects.get().is_open


def test_reopening_ends_the_hits_that_hold_answers_to_it(ada: User) -> None:
    project = opened(project_with_clusters([1.0, 1.0], n_s=4))
    person = Person.of(project)
    hit = person.open()
    for item in masks_only(hit):
        if item.question.position < 32:
            person.answer(item)
    assert standing(project) == {(0, 32): "accept"}
    tree = tree_of(project)
    reopen(tree=tree, node=node_at(tree, 0, 32), reason="doubt", by=ada, at=NOON)
    hit.refresh_from_db()
    assert hit.released_at == NOON
    assert not Judgment.objects.counting().exists()
    assert check_campaign(project) == []
    answer_all(project)
    assert set(standing(project).values()) == {"accept"}


def test_reopening_a_mask_asks_about_it_again_where_the_decision_needs_it(ada: User) -> None:
    project = verified([True] * 64, rule="paper")
    tree = tree_of(project)
    position = Judgment.objects.counting().first().question.position
    reopen(tree=tree, node=node_at(tree, position, position + 1), reason="unclear", by=ada, at=NOON)
    assert Cluster.objects.get().is_open
    assert check_campaign(project) == []
    answer_all(project)
    assert standing(project) == {(0, 64): "accept"}


@pytest.mark.parametrize(
    ("which", "why"), [((0, 64), "open"), ((0, 32), "no decision"), ((5, 6), "no decision")]
)
def test_what_cannot_be_asked_again_is_refused(ada: User, which: tuple[int, int], why: str) -> None:
    project = opened(project_with_tree([True] * 64))
    tree = tree_of(project)
    with pytest.raises(CannotOverrule, match=why):
        reopen(tree=tree, node=node_at(tree, *which), reason="x", by=ada, at=NOON)
    assert not Overruling.objects.exists()


def test_nothing_under_a_larger_verdict_is_reopened(ada: User) -> None:
    project = verified(HALVES)
    tree = tree_of(project)
    say(tree, 0, 64, "accept", ada)
    with pytest.raises(CannotOverrule, match="node 0"):
        reopen(tree=tree, node=node_at(tree, 0, 32), reason="x", by=ada, at=NOON)


def test_earlier_rounds_are_overruled_but_not_reopened(ada: User) -> None:
    project = verified([True] * 64)
    tree = tree_of(project)
    later = RoundFactory(project=project, number=2)
    add_tree(later, [True] * 64, scores=np.full(64, 0.9), category=tree.category)
    open_campaign(project=project, at=NOON)
    with pytest.raises(CannotOverrule, match="later round"):
        reopen(tree=tree, node=0, reason="x", by=ada, at=NOON)
    said = say(tree, 0, 64, "reject", ada)
    assert masks_of(project) == Masks(accepted=0, rejected=64)
    undo_overruling(overruling=said, by=ada, at=NOON)
    assert masks_of(project) == Masks(accepted=64, rejected=0)
    assert check_campaign(project) == []


def test_a_verdict_needs_a_reason_a_node_and_a_tree_of_the_pool(ada: User) -> None:
    tree = tree_of(verified([True] * 64))
    with pytest.raises(CannotOverrule, match="reason"):
        say(tree, 0, 64, "accept", ada, reason="  ")
    with pytest.raises(CannotOverrule, match="no node 999"):
        overrule(tree=tree, node=999, verdict="accept", reason="x", by=ada, at=NOON)
    with pytest.raises(ValueError, match="maybe"):
        overrule(tree=tree, node=0, verdict="maybe", reason="x", by=ada, at=NOON)
    tree.role = Role.HELDOUT
    with pytest.raises(CannotOverrule, match="held-out"):
        overrule(tree=tree, node=0, verdict="accept", reason="x", by=ada, at=NOON)


def test_the_database_keeps_one_standing_verdict_per_node(ada: User) -> None:
    tree = tree_of(verified([True] * 64))
    said = say(tree, 0, 64, "accept", ada)
    said.pk = None
    with pytest.raises(IntegrityError, match="one_standing_overruling_per_node"), transaction.atomic():
        said.save()


def test_what_is_overruled_before_the_campaign_opens_is_never_asked_about(ada: User) -> None:
    project = project_with_tree(HALVES)
    overrule(tree=tree_of(project), node=0, verdict="reject", reason="all wrong", by=ada, at=NOON)
    opened(project)
    assert not Cluster.objects.filter(is_open=True).exists()
    assert not Question.objects.exists()
    assert check_campaign(project) == []


@pytest.mark.parametrize("seed", range(4))
def test_whatever_people_and_admins_do_the_facts_agree(ada: User, seed: int) -> None:
    rng = np.random.default_rng(seed)
    correct = rng.random(128) < np.repeat([0.97, 0.5, 0.03, 0.9], 32)
    project = opened(project_with_tree(correct, min_size=4, n_s=6, hit_size=12))
    tree = tree_of(project)
    crowd = [
        Person.of(
            project, f"P{i}", says=lambda item: Says(rng.choice(["yes", "no", "unsure"], p=[0.6, 0.35, 0.05]))
        )
        for i in range(4)
    ]
    for step in range(24):
        node = int(rng.integers(0, 255))
        try:
            match step % 4:
                case 0 | 1:
                    person = crowd[int(rng.integers(4))]
                    for item in items(person.open())[: int(rng.integers(1, 13))]:
                        person.answer(item)
                case 2:
                    overrule(
                        tree=tree,
                        node=node,
                        verdict=str(rng.choice(["accept", "reject"])),
                        reason="r",
                        by=ada,
                        at=NOON,
                    )
                case 3 if rng.random() < 0.5:
                    decided = list(Decision.objects.in_force().values_list("cluster__node", flat=True))
                    at = decided[int(rng.integers(len(decided)))] if decided else node
                    reopen(tree=tree, node=at, reason="r", by=ada, at=NOON)
                case _:
                    known = list(Overruling.objects.filter(undone_at__isnull=True))
                    if known:
                        undo_overruling(overruling=known[int(rng.integers(len(known)))], by=ada, at=NOON)
        except (CannotOverrule, NoHit):
            continue
        assert check_campaign(project) == [], step
    outcome = outcome_of(trees_of(project).get())
    told = fates(project)
    assert outcome.accepted == told.count(Fate.ACCEPTED)
    assert masks_of(project) == Masks(told.count(Fate.ACCEPTED), told.count(Fate.REJECTED))


def test_a_late_answer_to_a_reopened_question_still_counts(ada: User) -> None:
    project = opened(project_with_clusters([1.0, 1.0], n_s=4))
    person = Person.of(project)
    hit = person.open()
    asked = [item for item in masks_only(hit) if item.question.position < 32]
    for item in asked:
        person.answer(item)
    tree = tree_of(project)
    reopen(tree=tree, node=node_at(tree, 0, 32), reason="doubt", by=ada, at=NOON)
    again = record_answer(
        item_key=asked[0].key, assignment_id=hit.pk, says="yes", elapsed_ms=900, at=person.clock()
    )
    assert again.late
    assert again.counts
    assert check_campaign(project) == []


@pytest.mark.django_db(transaction=True)
def test_people_answer_while_admins_overrule_reopen_and_undo(ada: User) -> None:
    project = opened(project_with_clusters([1.0, 0.5, 0.0, 0.9], n_s=6, hit_size=12, min_size=4))
    tree = tree_of(project)
    spans = [(0, 32), (64, 96), (128, 160), (192, 224)]

    def work(number: int) -> None:
        person = Person.of(project, f"P{number}")
        for turn in range(6):
            try:
                for item in items(person.open(seed=turn)):
                    person.answer(item)
            except NoHit:
                return

    def meddle(seed: int) -> None:
        rng = np.random.default_rng(seed)
        for _ in range(8):
            node = node_at(tree, *spans[int(rng.integers(4))])
            try:
                said = overrule(tree=tree, node=node, verdict="reject", reason="r", by=ada, at=NOON)
                if rng.random() < 0.5:
                    undo_overruling(overruling=said, by=ada, at=NOON)
                reopen(tree=tree, node=node, reason="r", by=ada, at=NOON)
            except CannotOverrule:
                continue

    jobs = [partial(work, number) for number in range(4)] + [partial(meddle, seed) for seed in range(2)]
    assert together(jobs) == [None] * 6
    assert check_campaign(project) == []
