"""What a plan says before the first question, against what the campaign then brings."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.decisions import Thresholds
from pipeline.experiments.asked import Asked
from pipeline.experiments.questions import PRODUCT, Contender
from pipeline.experiments.triplets import TripletModel
from pipeline.experiments.worlds import Run, grow, run
from pipeline.planning import Plan, plan

WORLDS = 6
HELD_OUT = 10_000
SEARCHES = 3
"""Of each world, with other samples: what it brings is their mean."""
CONTENDERS = (Contender("curtailed"), PRODUCT)
SHARES = (0.25, 0.5, 1.0)
"""Of the questions to the end."""


def measure(asked: Asked) -> dict[str, Any]:
    """Planned over real questions and masks, in six worlds with a held-out one each: means, deviations."""
    model = TripletModel.load(asked.model)
    rows: dict[str, list[dict[str, float]]] = {contender.name: [] for contender in CONTENDERS}
    shown: dict[str, Any] = {}
    for number in range(WORLDS):
        seed = asked.seed + number
        world = grow(model.sample(asked.masks, seed=seed), method=asked.linkage)
        held_out = grow(model.sample(HELD_OUT, seed=1_000_000 + seed), method=asked.linkage)
        for contender in CONTENDERS:
            calibration, thresholds = held_out.calibrated(Thresholds(k_a=contender.k_a))
            how: dict[str, Any] = {"rule": contender.rule, "strategy": contender.strategy}
            planned = plan(world.trees, calibration, thresholds, rng=np.random.default_rng([seed, 1]), **how)
            real = [
                run(world, thresholds, calibration=calibration, seed=100 * seed + again, **how)
                for again in range(SEARCHES)
            ]
            rows[contender.name].append(_errors(planned, real))
            shown.setdefault(contender.name, _curves(planned, real[0]))
        asked.progress(number + 1, WORLDS, "Planning and searching")
    return {
        "world": f"{WORLDS} worlds of {asked.masks:,} simulated masks",
        "masks": asked.masks,
        "errors": {name: _summary(found) for name, found in rows.items()},
        "first_world": shown,
    }


def _errors(planned: Plan, real: list[Run]) -> dict[str, float]:
    ends = float(np.mean([one.questions[-1] for one in real]))
    accepted = float(np.mean([one.accepted[-1] for one in real]))
    found = {
        "questions": planned.questions[-1] / ends,
        "accepted": planned.accepted[-1] / max(accepted, 1),
        "precision": float(planned.precision[-1] - np.mean([one.precision() for one in real])),
    }
    inside = []
    for share in SHARES:
        at = share * ends
        outcomes = np.array([_accepted(one, at) for one in real])
        low, high = (float(np.interp(at, planned.questions, bound)) for bound in (planned.low, planned.high))
        inside.append(float(((low <= outcomes) & (outcomes <= high)).mean()))
        found[f"accepted_at_{share:g}"] = planned.accepted_for(at) / max(float(outcomes.mean()), 1)
    return {**found, "inside_the_band": float(np.mean(inside))}


def _accepted(one: Run, questions: float) -> int:
    at = int(np.searchsorted(one.questions, questions, side="right")) - 1
    return int(one.accepted[at]) if at >= 0 else 0


def _summary(rows: list[dict[str, float]]) -> dict[str, dict[str, float]]:
    return {
        name: {
            "mean": float(np.mean([row[name] for row in rows])),
            "deviation": float(np.std([row[name] for row in rows], ddof=1)),
        }
        for name in rows[0]
    }


def _curves(planned: Plan, real: Run) -> dict[str, list[float]]:
    curves = {name: getattr(planned, name).tolist() for name in ("questions", "accepted", "low", "high")}
    return {**curves, "real": [float(_accepted(real, at)) for at in planned.questions]}


def draw(numbers: dict[str, Any], figure: Any) -> None:
    """Planned and real masks against questions, in the first world."""
    panels = figure.subplots(1, len(numbers["first_world"]))
    for panel, (name, curves) in zip(np.atleast_1d(panels), numbers["first_world"].items(), strict=True):
        panel.fill_between(curves["questions"], curves["low"], curves["high"], alpha=0.2, label="80 % band")
        panel.plot(curves["questions"], curves["accepted"], "--", label="planned")
        panel.plot(curves["questions"], curves["real"], label="real")
        panel.set(xlabel="questions", ylabel="accepted masks", title=name)
        panel.legend()
