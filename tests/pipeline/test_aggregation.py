"""From judgments to the answer to a question."""

from __future__ import annotations

import itertools

import pytest

from pipeline.aggregation import AGGREGATIONS, DEFAULT_AGGREGATION, Judgment, Majority, WhereItMatters
from pipeline.decisions import Curtailed, Evidence, Thresholds, Verdict
from pipeline.skills import Skill

ANSWERS = (True, False, None)


def judgments(*answers: bool | None) -> list[Judgment]:
    return [Judgment(worker, says_yes) for worker, says_yes in enumerate(answers)]


def test_one_judgment_is_the_answer_by_default() -> None:
    rule = AGGREGATIONS[DEFAULT_AGGREGATION](1, 0.95)
    assert rule.label(judgments()) is None
    assert rule.label(judgments(True)) is True
    assert rule.label(judgments(False, True)) is False


@pytest.mark.parametrize("of", [1, 3, 5])
def test_a_majority_is_settled_as_soon_as_the_missing_votes_cannot_change_it(of: int) -> None:
    rule = Majority(of)
    for count in range(of + 1):
        for votes in itertools.product([True, False], repeat=count):
            ends = {
                sum((*votes, *rest)) > of / 2 for rest in itertools.product([True, False], repeat=of - count)
            }
            assert rule.label(judgments(*votes)) is (ends.pop() if len(ends) == 1 else None)


@pytest.mark.parametrize("of", [1, 3])
def test_no_more_is_wanted_than_could_settle_the_answer(of: int) -> None:
    rule = Majority(of)
    for count in range(of + 3):
        for given in itertools.product(ANSWERS, repeat=count):
            wanted = rule.wanted(judgments(*given))
            settles = [
                more
                for more in range(of + 3)
                for rest in itertools.product(ANSWERS, repeat=more)
                if rule.label(judgments(*given, *rest)) is not None
            ]
            assert wanted == min(settles)


def test_who_cannot_tell_has_no_vote() -> None:
    assert Majority(1).label(judgments(None)) is None
    assert Majority(1).label(judgments(None, True)) is True
    assert Majority(3).label(judgments(True, None, False, True)) is True


def test_a_mask_that_nobody_can_tell_is_not_accepted() -> None:
    assert Majority(1).label(judgments(None, None, None)) is False
    assert Majority(3).label(judgments(True, None, None, None, None)) is None


@pytest.mark.parametrize("of", [0, 2, -3])
def test_a_majority_needs_an_odd_number_of_votes(of: int) -> None:
    with pytest.raises(ValueError, match="odd"):
        Majority(of)


USUAL = WhereItMatters(Skill(0.9, 0.9))


def decide(evidence: Evidence) -> Verdict:
    return Curtailed().decide(evidence, Thresholds())


def asked_again(yes: int, no: int, rule: WhereItMatters = USUAL) -> tuple[int, int]:
    """How many of the yes and of the no somebody else is asked about, in a sample of 15."""
    asked = {n: judgments(n < yes) for n in range(yes + no)}
    again = rule.again(asked, Evidence(yes, no, 15, 100), decide)
    return sum(key < yes for key in again), sum(key >= yes for key in again)


def test_a_no_is_asked_about_again_where_nearly_all_is_right_and_it_splits_the_cluster() -> None:
    assert asked_again(12, 3) == (0, 3)
    assert asked_again(9, 3) == (0, 3)  # the rule would stop here


def test_a_yes_is_asked_about_again_where_nearly_all_is_wrong_and_it_splits_the_cluster() -> None:
    assert asked_again(3, 12) == (3, 0)


@pytest.mark.parametrize(("yes", "no"), [(13, 0), (13, 2), (0, 13), (2, 13)])
def test_nobody_else_is_asked_where_the_decision_is_the_same_either_way(yes: int, no: int) -> None:
    assert asked_again(yes, no) == (0, 0)


def test_nobody_else_is_asked_where_the_answers_are_not_doubtful() -> None:
    assert asked_again(8, 7) == (0, 0)
    assert asked_again(12, 3, WhereItMatters(Skill(0.98, 0.98))) == (0, 0)


def test_nobody_else_is_asked_while_the_cluster_is_undecided() -> None:
    assert asked_again(12, 1) == (0, 0)


def test_a_question_gets_no_more_votes_than_the_rule_allows() -> None:
    asked = {n: judgments(n < 12) for n in range(14)} | {14: judgments(False, True, False)}
    assert 14 not in USUAL.again(asked, Evidence(12, 3, 15, 100), decide)


def test_votes_that_are_even_leave_a_question_open_and_one_more_settles_it() -> None:
    assert USUAL.label(judgments(False, True)) is None
    assert USUAL.wanted(judgments(False, True)) == 1
    assert USUAL.label(judgments(False, True, True)) is True
    assert USUAL.wanted(judgments(True)) == 0


def test_a_mask_that_nobody_can_tell_is_not_accepted_however_votes_are_weighed() -> None:
    assert USUAL.label(judgments(None, None)) is None
    assert USUAL.label(judgments(None, None, None)) is False
    assert USUAL.label(judgments(None, None, None, True)) is True


def test_the_vote_of_a_better_worker_weighs_more() -> None:
    rule = WhereItMatters(Skill(0.9, 0.9), by_skill=True)
    good, poor = Skill(0.97, 0.97), Skill(0.6, 0.6)
    assert rule.label([Judgment(1, True, skill=good), Judgment(2, False, skill=poor)]) is True
    assert rule.label([Judgment(1, False, skill=poor), Judgment(2, True, skill=good)]) is True
    # Who is wrong more often than right says the contrary of what they know.
    assert rule.label([Judgment(1, True, skill=Skill(0.2, 0.2))]) is False


def test_an_answer_of_a_poor_worker_is_doubted_where_that_of_a_good_one_is_not() -> None:
    rule = WhereItMatters(Skill(0.95, 0.95), by_skill=True)
    said = {n: [Judgment(n, n < 12, skill=Skill(0.97, 0.97))] for n in range(15)}
    evidence = Evidence(12, 3, 15, 100)
    assert not rule.again(said, evidence, decide)
    said[14] = [Judgment(14, False, skill=Skill(0.6, 0.6))]
    assert rule.again(said, evidence, decide) == {14}
