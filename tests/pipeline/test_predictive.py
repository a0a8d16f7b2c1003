"""How a sample is likely to end."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pipeline.predictive import endings, yes_share


@settings(deadline=None)
@given(yes=st.integers(0, 40), no=st.integers(0, 40), missing=st.integers(0, 400), data=st.data())
def test_with_perfect_workers_the_missing_answers_are_beta_binomial(
    yes: int, no: int, missing: int, data: st.DataObject
) -> None:
    accepts = data.draw(st.integers(0, yes + no + missing))
    rejects = data.draw(st.integers(-1, accepts - 1)) if accepts else -1
    prior = data.draw(st.sampled_from([1.0, 2.0, 3.5]))
    rest = stats.betabinom(missing, prior + yes, prior + no)
    found = endings(yes, no, missing, accepts=accepts, rejects=rejects, accuracy=1.0, prior=prior)
    assert found == pytest.approx((rest.sf(accepts - yes - 1), rest.cdf(rejects - yes)), abs=1e-8)


def test_with_workers_who_err_it_is_what_simulation_finds() -> None:
    rng = np.random.default_rng(0)
    quality = rng.beta(2, 2, 400_000)
    says_yes = rng.random((len(quality), 8)) < yes_share(quality, 0.85)[:, None]
    seen = says_yes[:, :5].sum(axis=1) == 4
    ends = says_yes[seen].sum(axis=1)
    accept, reject = endings(4, 1, 3, accepts=7, rejects=5, accuracy=0.85, prior=2.0)
    assert accept == pytest.approx((ends >= 7).mean(), abs=0.01)
    assert reject == pytest.approx((ends <= 5).mean(), abs=0.01)


def test_what_is_settled_is_certain() -> None:
    assert endings(5, 0, 2, accepts=5, rejects=1, accuracy=0.9, prior=2.0) == (1.0, 0.0)
    assert endings(0, 6, 1, accepts=5, rejects=1, accuracy=0.9, prior=2.0) == (0.0, 1.0)


def test_thousands_of_answers_do_not_lose_precision() -> None:
    accept, reject = endings(560, 100, 1340, accepts=1700, rejects=200, accuracy=1.0, prior=2.0)
    rest = stats.betabinom(1340, 562, 102)
    assert (accept, reject) == pytest.approx((rest.sf(1139), rest.cdf(-361)), abs=1e-6)
