"""How large a share is, judging by a sample: an estimate with its interval."""

from __future__ import annotations

from dataclasses import dataclass

from scipy.stats import beta

PRIOR = 0.5
"""Both parameters of Jeffreys' prior: intervals cover what they promise, also near 0 and 1."""


@dataclass(frozen=True, slots=True)
class Share:
    """A share in [0, 1] and the interval that holds it with some confidence."""

    value: float
    low: float
    high: float

    @property
    def width(self) -> float:
        """Of the interval."""
        return self.high - self.low


def estimated(yes: int, no: int, *, size: int, confidence: float = 0.95) -> Share | None:
    """The share of yes among `size` things of which yes + no were drawn at random; None when none was.

    The interval is Jeffreys', for what was not drawn; what was drawn is known. Once all are drawn nothing is
    uncertain.

    Raises
    ------
    ValueError
        When more were drawn than there are.
    """
    drawn = yes + no
    if drawn > size:
        raise ValueError(f"{drawn} were drawn, but there are only {size}.")
    if drawn == 0:
        return None
    tail = (1 - confidence) / 2
    low = float(beta.ppf(tail, yes + PRIOR, no + PRIOR)) if yes else 0.0
    high = float(beta.ppf(1 - tail, yes + PRIOR, no + PRIOR)) if no else 1.0
    rest = size - drawn
    return Share(yes / drawn, (yes + low * rest) / size, (yes + high * rest) / size)
