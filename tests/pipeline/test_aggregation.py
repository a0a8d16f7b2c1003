"""From judgments to the answer to a question."""

from __future__ import annotations

import itertools

import pytest

from pipeline.aggregation import AGGREGATIONS, DEFAULT_AGGREGATION, Judgment, Majority

ANSWERS = (True, False, None)


def judgments(*answers: bool | None) -> list[Judgment]:
    return [Judgment(worker, says_yes) for worker, says_yes in enumerate(answers)]


def test_one_judgment_is_the_answer_by_default() -> None:
    rule = AGGREGATIONS[DEFAULT_AGGREGATION]
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
