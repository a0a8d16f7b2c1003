"""Compile the engine's kernels ahead of their first use: `python -m pipeline.compile_kernels`.

Worth a line in the build of an image: the machine code is kept next to the sources, and processes
that may not write there would compile it again each time they start.
"""

from __future__ import annotations

import numpy as np

from pipeline import masks
from pipeline.calibration import calibrate
from pipeline.decisions import Thresholds
from pipeline.dendrogram import Dendrogram
from pipeline.linkage import METHODS, linkage
from pipeline.linkage.levels import SMALL
from pipeline.outlook import outlook


def compile_kernels() -> None:
    """Build small trees in every way there is, look at one, and outline a mask."""
    n = 2 * SMALL
    rng = np.random.default_rng(0)
    features, scores = rng.normal(size=(n, 4)), rng.random(n)
    for method in METHODS:
        for exact_up_to in (n, SMALL):
            merges = linkage(features, scores, method=method, exact_up_to=exact_up_to)
    tree = Dendrogram.from_bytes(Dendrogram.from_linkage(merges, scores).to_bytes())
    calibration = calibrate([(tree, scores > 0.5)], Thresholds())
    outlook(tree, calibration, Thresholds(), rule="curtailed", rng=rng)
    masks.outline(masks.encode(np.ones((1, 1), bool)))


if __name__ == "__main__":
    compile_kernels()
