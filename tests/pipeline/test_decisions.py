"""What answers about sampled masks make of a cluster: the contracts of the rules, by enumeration."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest
from scipy import special

from pipeline.decisions import (
    RULES,
    Evidence,
    InvalidThresholds,
    Sequential,
    Thresholds,
    Verdict,
    fewest_missing,
    required,
)

SHARES = (0.501, 0.6, 2 / 3, 0.75, 0.8, 0.85, 0.9, 1.0)
THRESHOLDS = [Thresholds(k_a=k_a, n_s=n_s) for k_a in SHARES for n_s in (1, 2, 3, 5, 8, 15, 20)]
PAPERS = Thresholds()

paper, curtailed = RULES["paper"], RULES["curtailed"]


def all_evidence(sample: int, size: int) -> list[Evidence]:
    return [Evidence(yes, no, sample, size) for yes in range(sample + 1) for no in range(sample + 1 - yes)]


def outcomes(evidence: Evidence) -> list[Evidence]:
    """The evidence after all missing answers, one for each way they may come out."""
    return [
        Evidence(evidence.yes + more, evidence.no + evidence.missing - more, evidence.sample, evidence.size)
        for more in range(evidence.missing + 1)
    ]


@pytest.mark.parametrize(
    ("yes", "verdict"),
    [(15, "accept"), (13, "accept"), (12, "split"), (3, "split"), (2, "reject"), (0, "reject")],
)
def test_the_paper_accepts_from_13_of_15_and_rejects_up_to_2(yes: int, verdict: str) -> None:
    assert paper.decide(Evidence(yes, 15 - yes, 15, 1000), PAPERS) == verdict


@pytest.mark.parametrize("thresholds", THRESHOLDS, ids=str)
def test_the_papers_rule_compares_shares_exactly(thresholds: Thresholds) -> None:
    k_a = Fraction(str(thresholds.k_a)) if thresholds.k_a != 2 / 3 else Fraction(2, 3)
    for evidence in all_evidence(thresholds.n_s, 10**6):
        quality = Fraction(evidence.yes, evidence.sample)
        if evidence.missing:
            expected = Verdict.ASK
        elif quality >= k_a:
            expected = Verdict.ACCEPT
        else:
            expected = Verdict.REJECT if quality <= 1 - k_a else Verdict.SPLIT
        assert paper.decide(evidence, thresholds) is expected


@pytest.mark.parametrize("thresholds", THRESHOLDS, ids=str)
def test_curtailed_decides_exactly_when_the_missing_answers_cannot_matter(thresholds: Thresholds) -> None:
    for evidence in all_evidence(thresholds.n_s, 10**6):
        possible = {paper.decide(outcome, thresholds) for outcome in outcomes(evidence)}
        expected = possible.pop() if len(possible) == 1 else Verdict.ASK
        assert curtailed.decide(evidence, thresholds) is expected


@pytest.mark.parametrize("n_s", [1, 4, 7])
def test_in_whatever_order_answers_come_curtailed_decides_as_the_paper(n_s: int) -> None:
    thresholds = Thresholds(n_s=n_s, k_a=0.75)
    for answers in itertools.product([True, False], repeat=n_s):
        verdicts = []
        for order in itertools.permutations(answers) if n_s < 7 else [answers, answers[::-1]]:
            yes = no = 0
            while (verdict := curtailed.decide(Evidence(yes, no, n_s, 50), thresholds)) is Verdict.ASK:
                says_yes = order[yes + no]
                yes, no = yes + says_yes, no + (not says_yes)
            verdicts.append(verdict)
        assert set(verdicts) == {
            paper.decide(Evidence(sum(answers), n_s - sum(answers), n_s, 50), thresholds)
        }


def test_three_yes_and_three_no_already_mean_split() -> None:
    assert curtailed.decide(Evidence(3, 3, 15, 1000), PAPERS) is Verdict.SPLIT
    assert curtailed.decide(Evidence(3, 2, 15, 1000), PAPERS) is Verdict.ASK


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("size", [1, 2, 3, 7, 15, 40, 1000])
def test_every_rule_plans_a_sample_that_the_cluster_has_and_decides_on_it(name: str, size: int) -> None:
    rule, thresholds = RULES[name], Thresholds(accuracy=0.95)
    sample = rule.sample_size(size, thresholds)
    assert 1 <= sample <= size
    for yes in range(sample + 1):
        assert rule.decide(Evidence(yes, sample - yes, sample, size), thresholds) is not Verdict.ASK


@pytest.mark.parametrize("name", ["paper", "curtailed"])
@pytest.mark.parametrize("size", [1, 2, 5, 15, 30])
def test_rules_that_stop_on_certainty_do_not_change_their_mind(name: str, size: int) -> None:
    rule, thresholds = RULES[name], Thresholds()
    for evidence in all_evidence(rule.sample_size(size, thresholds), size):
        verdict = rule.decide(evidence, thresholds)
        if verdict is not Verdict.ASK:
            assert {rule.decide(outcome, thresholds) for outcome in outcomes(evidence)} == {verdict}


@pytest.mark.parametrize("name", RULES)
def test_a_single_mask_is_never_split(name: str) -> None:
    rule, thresholds = RULES[name], Thresholds(accuracy=0.95)
    for yes in (0, 1):
        verdict = rule.decide(Evidence(yes, 1 - yes, 1, 1), thresholds)
        assert verdict is (Verdict.ACCEPT if yes else Verdict.REJECT)


@pytest.mark.parametrize("n_s", [1, 5, 15])
def test_so_many_answers_are_never_in_vain(n_s: int) -> None:
    thresholds = Thresholds(n_s=n_s)
    for evidence in all_evidence(n_s, 100):
        fewest = fewest_missing(curtailed, evidence, thresholds)
        decided = [
            more
            for more in range(evidence.missing + 1)
            for yes in range(more + 1)
            if curtailed.decide(Evidence(evidence.yes + yes, evidence.no + more - yes, n_s, 100), thresholds)
            is not Verdict.ASK
        ]
        assert fewest == min(decided)


def test_at_first_six_answers_can_be_asked_at_once() -> None:
    assert fewest_missing(curtailed, Evidence(0, 0, 15, 1000), PAPERS) == 6
    assert fewest_missing(paper, Evidence(0, 0, 15, 1000), PAPERS) == 15


def test_a_rule_that_never_decides_is_named() -> None:
    class Undecided:
        def sample_size(self, size: int, thresholds: Thresholds) -> int:
            return 1

        def decide(self, evidence: Evidence, thresholds: Thresholds) -> Verdict:
            return Verdict.ASK

    with pytest.raises(ValueError, match="leaves a cluster undecided after all 2 answers"):
        fewest_missing(Undecided(), Evidence(0, 0, 2, 9), PAPERS)


def test_whole_products_do_not_suffer_from_floating_point() -> None:
    assert required(20, 0.85) == 17
    assert required(100, 0.29 + 0.28) == 57


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("k_iou", 0.0), ("k_iou", 1.01), ("k_a", 0.5), ("k_a", 1.2), ("k_pa", -0.1), ("k_pa", float("nan")),
        ("confidence", 2.0), ("accuracy", 0.5), ("n_s", 0), ("n_s", 2.5), ("min_size", 0),
    ],
)  # fmt: skip
def test_thresholds_out_of_range_are_refused_by_name(name: str, value: float) -> None:
    with pytest.raises(InvalidThresholds, match=f"{name} is {value}"):
        Thresholds(**{name: value})


def test_the_smallest_cluster_asked_about_is_a_sample_unless_said_otherwise() -> None:
    assert Thresholds(n_s=12).smallest == 12
    assert Thresholds(min_size=1).smallest == 1


@pytest.mark.parametrize("counts", [(-1, 0, 5, 9), (3, 3, 5, 9), (0, 0, 0, 9), (0, 0, 10, 9)])
def test_impossible_evidence_is_refused(counts: tuple[int, int, int, int]) -> None:
    with pytest.raises(ValueError, match="is no evidence"):
        Evidence(*counts)


SEQUENTIAL = Sequential()
CERTAIN = Sequential(doubt_accept=0, doubt_split=0, doubt_reject=0, reject_at=1)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 15])
@pytest.mark.parametrize("k_a", SHARES)
def test_without_doubts_sequential_is_curtailed_on_clusters_up_to_n_s(size: int, k_a: float) -> None:
    thresholds = Thresholds(k_a=k_a)
    for evidence in all_evidence(CERTAIN.sample_size(size, thresholds), size):
        assert CERTAIN.decide(evidence, thresholds) is curtailed.decide(evidence, thresholds)


QUALITIES = np.linspace(0, 1, 2_001)[1:-1]


def chance_of_yes(evidence: Evidence, fewest: int, accuracy: float) -> float:
    """That the whole sample has at least so many yes, summed over a fine grid of qualities."""
    lacking = fewest - evidence.yes
    if lacking <= 0 or lacking > evidence.missing:
        return float(lacking <= 0)
    says_yes = accuracy * QUALITIES + (1 - accuracy) * (1 - QUALITIES)
    prior = QUALITIES * (1 - QUALITIES)
    likely = prior * says_yes**evidence.yes * (1 - says_yes) ** evidence.no
    return float(likely @ special.bdtrc(lacking - 1, evidence.missing, says_yes) / likely.sum())


def near(value: float, *bounds: float) -> bool:
    return any(abs(value - bound) < 1e-6 for bound in bounds)


@pytest.mark.parametrize(
    ("size", "k_a", "accuracy"),
    [(9, 0.85, 1.0), (15, 0.77, 1.0), (60, 0.85, 1.0), (120, 0.9, 1.0), (15, 0.8, 0.9), (40, 0.77, 0.9)],
)
def test_sequential_stops_exactly_when_it_is_clear_enough_whether_the_sample_would_accept(
    size: int, k_a: float, accuracy: float
) -> None:
    thresholds = Thresholds(k_a=k_a, accuracy=accuracy)
    sample = SEQUENTIAL.sample_size(size, thresholds)
    accepts, rejects = SEQUENTIAL.bounds(sample, k_a, accuracy)
    stakes = min(1, 15 / sample)
    for evidence in all_evidence(sample, size):
        accept = chance_of_yes(evidence, accepts, accuracy)
        reject = 1 - chance_of_yes(evidence, rejects + 1, accuracy)
        if near(accept, 1 - stakes * 0.1, stakes * 0.15) or near(reject, 0.9, 0.5):
            continue  # on which side of a bound a number on it falls is left to rounding
        if 1 - accept < stakes * 0.1:
            expected = Verdict.ACCEPT
        elif 1 - reject < 0.1:
            expected = Verdict.REJECT
        else:
            unlikely = evidence.no > 0 and accept < stakes * 0.15
            expected = Verdict.SPLIT if unlikely and reject < 0.5 else Verdict.ASK
        assert SEQUENTIAL.decide(evidence, thresholds) is expected


@pytest.mark.parametrize("k_a", [0.75, 0.85, 0.95])
@pytest.mark.parametrize("accuracy", [0.85, 0.95, 1.0])
@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_no_cluster_is_decided_before_anyone_was_asked(rule, accuracy: float, k_a: float) -> None:
    thresholds = Thresholds(k_a=k_a, accuracy=accuracy)
    for size in [*range(1, 130), 1_000, 100_000]:
        nothing = Evidence(0, 0, rule.sample_size(size, thresholds), size)
        assert rule.decide(nothing, thresholds) is Verdict.ASK


@pytest.mark.parametrize(("size", "accuracy"), [(15, 1.0), (60, 1.0), (15, 0.9), (60, 0.9)])
def test_sequential_rarely_takes_back_by_the_whole_sample_what_it_decided_early(
    size: int, accuracy: float
) -> None:
    """Over all orders of answers, weighted by their chances before the first one."""
    thresholds = Thresholds(accuracy=accuracy)
    sample = SEQUENTIAL.sample_size(size, thresholds)
    accepts, _ = SEQUENTIAL.bounds(sample, thresholds.k_a, accuracy)
    stopped = {Verdict.ACCEPT: 0.0, Verdict.SPLIT: 0.0}
    otherwise = dict(stopped)
    for evidence, chance in stops(sample, size, thresholds):
        verdict = SEQUENTIAL.decide(evidence, thresholds)
        if verdict in stopped:
            would = chance_of_yes(evidence, accepts, accuracy)
            stopped[verdict] += chance
            otherwise[verdict] += chance * (would if verdict is Verdict.SPLIT else 1 - would)
    assert otherwise[Verdict.ACCEPT] <= 0.1 * stopped[Verdict.ACCEPT]
    assert otherwise[Verdict.SPLIT] <= 0.15 * stopped[Verdict.SPLIT]


def stops(sample: int, size: int, thresholds: Thresholds) -> list[tuple[Evidence, float]]:
    """Where asking ends, each with its chance, by following every order of answers."""
    ended, on_the_way = [], {(0, 0): 1.0}
    while on_the_way:
        further: dict[tuple[int, int], float] = {}
        for (yes, no), chance in on_the_way.items():
            evidence = Evidence(yes, no, sample, size)
            if SEQUENTIAL.decide(evidence, thresholds) is not Verdict.ASK:
                ended.append((evidence, chance))
                continue
            one_more = Evidence(yes, no, yes + no + 1, max(size, yes + no + 1))
            next_yes = chance_of_yes(one_more, yes + 1, thresholds.accuracy)
            for answer, share in (((yes + 1, no), next_yes), ((yes, no + 1), 1 - next_yes)):
                further[answer] = further.get(answer, 0.0) + chance * share
        on_the_way = further
    assert sum(chance for _, chance in ended) == pytest.approx(1)
    return ended


@pytest.mark.parametrize("accuracy", [1.0, 0.95, 0.9, 0.8])
def test_the_more_is_at_stake_the_more_answers_an_acceptance_rests_on(accuracy: float) -> None:
    thresholds = Thresholds(accuracy=accuracy)
    fewest = []
    for size in (15, 100, 1_000, 10_000, 100_000):
        sample = SEQUENTIAL.sample_size(size, thresholds)
        fewest.append(
            next(
                yes
                for yes in range(sample + 1)
                if SEQUENTIAL.decide(Evidence(yes, 0, sample, size), thresholds) is Verdict.ACCEPT
            )
        )
    assert fewest == sorted(fewest)
    assert fewest[-1] >= 30


def test_samples_grow_with_the_cluster_and_with_the_errors_of_workers() -> None:
    sizes = [1, 5, 15, 16, 40, 100, 1_000, 10_000, 10**5, 10**6]
    perfect = [SEQUENTIAL.sample_size(size, Thresholds()) for size in sizes]
    erring = [SEQUENTIAL.sample_size(size, Thresholds(accuracy=0.9)) for size in sizes]
    assert perfect == sorted(perfect)
    assert all(1 <= few <= more <= size for few, more, size in zip(perfect, erring, sizes, strict=True))
    assert perfect[:3] == [1, 5, 15]
    assert perfect[-2] > 400
    assert SEQUENTIAL.sample_size(10**9, Thresholds(accuracy=0.8)) == 2_048


def test_a_perfect_cluster_passes_although_a_tenth_of_the_answers_is_wrong() -> None:
    erring, size = Thresholds(accuracy=0.9), 2_000
    sample = SEQUENTIAL.sample_size(size, erring)
    yes = round(0.9 * sample)
    assert SEQUENTIAL.decide(Evidence(yes, sample - yes, sample, size), erring) is Verdict.ACCEPT
    thirteen = paper.decide(Evidence(12, 3, 15, size), erring)
    assert thirteen is Verdict.SPLIT, "the paper's rule loses such clusters"


def test_a_cluster_that_may_hold_good_parts_is_split_rather_than_rejected() -> None:
    thresholds = Thresholds(k_a=0.77)
    sample = SEQUENTIAL.sample_size(1_000, thresholds)
    yes = round(0.2 * sample)
    evidence = Evidence(yes, sample - yes, sample, 1_000)
    assert paper.decide(evidence, thresholds) is Verdict.REJECT
    assert SEQUENTIAL.decide(evidence, thresholds) is Verdict.SPLIT
