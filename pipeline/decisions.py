"""From answers about sampled masks to a decision about their cluster (Sec. 4, Label propagation).

A rule sees counts only. Answers may arrive in any order, from any number of people: a verdict other than
ASK holds whatever the missing answers will be.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Protocol

from pipeline.predictive import endings, yes_share

ROUNDING = 1e-9
"""Slack for products such as 0.85 x 20 that are whole numbers but not in floating point."""


class Verdict(StrEnum):
    """What becomes of a cluster."""

    ACCEPT = "accept"
    REJECT = "reject"
    SPLIT = "split"
    ASK = "ask"


class InvalidThresholds(ValueError):
    """A parameter of the method lies outside its range."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The parameters of the method; the defaults are the paper's (Sec. 5.2).

    Attributes
    ----------
    k_iou : (0, 1], a mask is correct from this IoU with the object's true mask on
    k_a : (0.5, 1], a cluster is of high quality from this share of correct masks on
    k_pa : [0, 1], clusters whose mean score does not exceed it are split without asking
    n_s : >= 1, masks sampled of a cluster
    min_size : >= 1, smallest cluster that is asked about. None stands for n_s, as in the paper's crowd run;
        1 asks about every mask, as in its simulations
    confidence : [0, 1], predictions of a lower class score are dropped
    accuracy : (0.5, 1], how often a single answer is right; only noise-aware rules look at it
    """

    k_iou: float = 0.75
    k_a: float = 0.85
    k_pa: float = 0.7
    n_s: int = 15
    min_size: int | None = None
    confidence: float = 0.2
    accuracy: float = 1.0

    def __post_init__(self) -> None:
        for name, low, high, low_included in _RANGES:
            value = getattr(self, name)
            # Written so that NaN fails too.
            if not (low <= value <= high) or (value == low and not low_included):
                bracket = "[" if low_included else "("
                raise InvalidThresholds(f"{name} is {value}; it must lie in {bracket}{low}, {high}].")
        for name in ("n_s", "min_size"):
            value = getattr(self, name)
            if value is not None and (value < 1 or value != int(value)):
                raise InvalidThresholds(f"{name} is {value}; it must be a whole number from 1 on.")

    @property
    def smallest(self) -> int:
        """Size of the smallest cluster that is asked about."""
        return self.n_s if self.min_size is None else self.min_size


_RANGES = (
    ("k_iou", 0.0, 1.0, False),
    ("k_a", 0.5, 1.0, False),
    ("k_pa", 0.0, 1.0, True),
    ("confidence", 0.0, 1.0, True),
    ("accuracy", 0.5, 1.0, False),
)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of a cluster: answers among its own sample.

    Attributes
    ----------
    yes, no : answers so far, yes + no <= sample
    sample : planned size of the sample, at most `size`
    size : masks in the cluster
    """

    yes: int
    no: int
    sample: int
    size: int

    def __post_init__(self) -> None:
        if (
            min(self.yes, self.no) < 0
            or self.yes + self.no > self.sample
            or not 1 <= self.sample <= self.size
        ):
            raise ValueError(
                f"{self.yes} yes and {self.no} no of a sample of {self.sample} from {self.size} masks "
                "is no evidence."
            )

    @property
    def missing(self) -> int:
        """Answers of the sample that are still out."""
        return self.sample - self.yes - self.no


class Rule(Protocol):
    """When to stop asking about a cluster, and what then becomes of it."""

    def sample_size(self, size: int, thresholds: Thresholds) -> int:
        """How many masks of a cluster of `size` masks are asked about at most, from 1 to `size`."""

    def decide(self, evidence: Evidence, thresholds: Thresholds) -> Verdict:
        """The verdict on a cluster; never ASK when the whole sample is answered."""


def required(sample: int, k_a: float) -> int:
    """The fewest equal answers of a sample that are a share of at least `k_a` of it."""
    return math.ceil(k_a * sample - ROUNDING)


@dataclass(frozen=True, slots=True)
class Paper:
    """All N_s answers, then the share of yes against K_a and 1 - K_a (Sec. 4)."""

    def sample_size(self, size: int, thresholds: Thresholds) -> int:
        return min(thresholds.n_s, size)

    def decide(self, evidence: Evidence, thresholds: Thresholds) -> Verdict:
        if evidence.missing:
            return Verdict.ASK
        enough = required(evidence.sample, thresholds.k_a)
        if evidence.yes >= enough:
            return Verdict.ACCEPT
        return Verdict.REJECT if evidence.no >= enough else Verdict.SPLIT


@dataclass(frozen=True, slots=True)
class Curtailed:
    """The paper's decisions from fewer answers: stops as soon as the missing ones cannot change them."""

    def sample_size(self, size: int, thresholds: Thresholds) -> int:
        return min(thresholds.n_s, size)

    def decide(self, evidence: Evidence, thresholds: Thresholds) -> Verdict:
        enough = required(evidence.sample, thresholds.k_a)
        if evidence.yes >= enough:
            return Verdict.ACCEPT
        if evidence.no >= enough:
            return Verdict.REJECT
        spare = evidence.sample - enough
        return Verdict.SPLIT if min(evidence.yes, evidence.no) > spare else Verdict.ASK


@dataclass(frozen=True, slots=True)
class Sequential:
    """Samples that grow with the cluster, and asking that ends once an outcome is likely enough.

    Fifteen answers accept a cluster of quality 0.75 in a quarter of cases, and a search tests thousands of
    clusters: those accepted by luck are the larger part of what is wrong, whatever K_a says. Here the planned
    sample grows with what is at stake, the bounds are moved by what workers get wrong, and asking ends as
    soon as it is clear enough whether the whole sample would accept. What it would not accept is split rather
    than asked about until it is clear how bad it is: the halves have its answers already.

    Attributes
    ----------
    growth : the planned sample is n_s (size / n_s) ** growth, divided by (2 accuracy - 1) ** 2
    most : answers are never planned beyond; so many tell any quality to a percent
    doubt_accept : a cluster is accepted when the chance, given the answers so far, that the whole sample
        would not accept it is less
    doubt_split : it is split, once there is a no, when the chance that the whole sample would accept it is
        less, unless
    hopeless : the chance that the whole sample would reject it is at least this
    doubt_reject : it is rejected when the chance that the whole sample would not is less
    caution : doubt_accept and doubt_split shrink by (n_s / planned sample) ** caution
    reject_at : clusters are rejected up to this quality, or 1 - K_a if that is less: what is rejected is
        lost, what is split costs a few questions
    prior : a of the prior Beta(a, a) of the quality
    """

    growth: float = 0.6
    most: int = 2_048
    doubt_accept: float = 0.1
    doubt_split: float = 0.15
    doubt_reject: float = 0.1
    hopeless: float = 0.5
    caution: float = 1.0
    reject_at: float = 0.1
    prior: float = 2.0

    def sample_size(self, size: int, thresholds: Thresholds) -> int:
        wanted = thresholds.n_s / (2 * thresholds.accuracy - 1) ** 2
        if size > thresholds.n_s:
            wanted *= (size / thresholds.n_s) ** self.growth
        # Few different plans, so that what is computed for one cluster serves the next.
        steps = round(math.log2(min(wanted, self.most)) * _PLANS_PER_DOUBLING)
        return min(size, max(thresholds.n_s, round(2 ** (steps / _PLANS_PER_DOUBLING))))

    def decide(self, evidence: Evidence, thresholds: Thresholds) -> Verdict:
        stakes = min(1.0, thresholds.n_s / evidence.sample) ** self.caution
        return _decided(
            self, evidence.yes, evidence.no, evidence.sample, thresholds.k_a, thresholds.accuracy, stakes
        )

    def bounds(self, sample: int, k_a: float, accuracy: float) -> tuple[int, int]:
        """The fewest yes of a whole sample that accept, and the most that reject."""
        worst = min(self.reject_at, 1 - k_a)
        return (
            required(sample, yes_share(k_a, accuracy)),
            sample - required(sample, 1 - yes_share(worst, accuracy)),
        )


_PLANS_PER_DOUBLING = 4


@lru_cache(maxsize=2**18)
def _decided(
    rule: Sequential, yes: int, no: int, sample: int, k_a: float, accuracy: float, stakes: float
) -> Verdict:
    accepts, rejects = rule.bounds(sample, k_a, accuracy)
    missing = sample - yes - no
    # What is settled does not depend on rounding, nor on doubts of zero.
    if yes >= accepts:
        return Verdict.ACCEPT
    if sample - no <= rejects:
        return Verdict.REJECT
    if yes > rejects and sample - no < accepts:
        return Verdict.SPLIT
    accept, reject = endings(
        yes, no, missing, accepts=accepts, rejects=rejects, accuracy=accuracy, prior=rule.prior
    )
    if 1 - accept < stakes * rule.doubt_accept:
        return Verdict.ACCEPT
    if 1 - reject < rule.doubt_reject:
        return Verdict.REJECT
    # On the prior alone small clusters would be split unasked, down to their last mask.
    unacceptable = no > 0 and accept < stakes * rule.doubt_split and reject < rule.hopeless
    return Verdict.SPLIT if unacceptable else Verdict.ASK


DEFAULT_RULE = "sequential"

RULES: dict[str, Rule] = {
    "paper": Paper(),
    "curtailed": Curtailed(),
    "sequential": Sequential(),
}


def fewest_missing(rule: Rule, evidence: Evidence, thresholds: Thresholds) -> int:
    """The fewest further answers after which `rule` may decide; 0 when it has decided.

    So many masks can be handed out at the same time without any answer being in vain.
    """
    if rule.decide(evidence, thresholds) is not Verdict.ASK:
        return 0
    for more in range(1, evidence.missing + 1):
        for yes in range(more + 1):
            then = Evidence(evidence.yes + yes, evidence.no + more - yes, evidence.sample, evidence.size)
            if rule.decide(then, thresholds) is not Verdict.ASK:
                return more
    raise ValueError(f"{rule} leaves a cluster undecided after all {evidence.sample} answers of its sample.")
