"""Cluster trees: seconds and peak memory against scipy, fastcluster and scikit-learn.

    python benchmarks/linkage.py --n 20000
    python benchmarks/linkage.py --n 125000 1000000 --rivals partitioned --json trees.json

Every contender runs in a process of its own on the same features (a file of float32 or float16
vectors, a Gaussian mixture with scores) and clusters by the paper's distance d = F/σ_F + S/σ_S,
complete linkage. Time starts with the features in memory (for trees in blocks: on disk) and after
one small warm-up, so that neither imports nor compilation count; memory is the peak of the whole
process. On a machine that does other work seconds say little, so "own-core" is given as well: the CPU
seconds of the thread that waits for the result and, wherever it waits for others of the same process, of
the busiest of these; it is what the clock would say if every thread had a core to itself. "same" is the
share of clusters found by the exact tree as well: all of them where σ is taken from the same sample of
pairs (products+fastcluster), most where it is taken from all pairs.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path[:0] = [str(Path(__file__).resolve().parent.parent), str(Path(__file__).resolve().parent)]

from memory import peak_mib  # noqa: E402

EXACT_ONLY_UP_TO = 30_000
"""By default the rivals, which need minutes and many gigabytes beyond, are left out above."""

Task = Callable[[Path, NDArray[np.float64]], NDArray[np.float64]]


def ours(features: Path, scores: NDArray[np.float64]) -> NDArray[np.float64]:
    from pipeline.linkage import linkage

    return linkage(np.load(features), scores, exact_up_to=len(scores))


def partitioned(features: Path, scores: NDArray[np.float64]) -> NDArray[np.float64]:
    from pipeline.linkage.partitioned import partitioned_linkage
    from pipeline.rows import NpyRows

    with TemporaryDirectory(dir=features.parent) as folder:
        return partitioned_linkage(
            NpyRows(features), scores, method="complete", seed=0, folder=Path(folder) / "partition"
        )


def authors_way(features: Path, scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """All pairwise distances, then fastcluster."""
    import fastcluster

    return np.asarray(fastcluster.linkage(_pdist(features, scores), "complete", preserve_input=False))


def with_scipy(features: Path, scores: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy.cluster import hierarchy

    return np.asarray(hierarchy.linkage(_pdist(features, scores), "complete"))


def products_into_fastcluster(features: Path, scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distances by blocked matrix products, which the authors could have done, then fastcluster."""
    import fastcluster

    return np.asarray(
        fastcluster.linkage(_products(np.load(features), scores), "complete", preserve_input=False)
    )


def with_sklearn(features: Path, scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Euclidean distances with the score as one more dimension: it takes no sum of two distances."""
    from sklearn.cluster import AgglomerativeClustering

    joined = np.column_stack([np.load(features), scores])
    model = AgglomerativeClustering(n_clusters=None, distance_threshold=0, linkage="complete")
    found = model.fit(joined)
    return np.column_stack([found.children_, found.distances_, np.zeros(len(found.children_))])


def _pdist(features: Path, scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """The paper's distance of all pairs, each σ over all of them, and nothing copied that need not be."""
    from scipy.spatial.distance import pdist

    apart, gaps = pdist(np.load(features)), pdist(scores[:, None])
    apart /= apart.std()
    gaps /= gaps.std()
    apart += gaps
    return np.asarray(apart)


def _products(features: NDArray[np.floating], scores: NDArray[np.float64]) -> NDArray[np.float64]:
    from pipeline.linkage.scales import pair_scales

    n, scale = len(features), pair_scales(features, scores, seed=0)
    points = features.astype(np.float32) - features.mean(axis=0, dtype=np.float64).astype(np.float32)
    squares, condensed, place = np.einsum("ij,ij->i", points, points), np.empty(n * (n - 1) // 2), 0
    for start in range(0, n, 512):
        rows = slice(start, min(n, start + 512))
        block = squares[rows, None] + squares[start:] - 2 * (points[rows] @ points[start:].T)
        block = np.sqrt(np.maximum(block, 0)) / scale.features
        block += np.abs(scores[rows, None] - scores[start:]) / scale.scores
        for row in range(len(block)):
            length = n - start - row - 1
            condensed[place : place + length] = block[row, row + 1 :]
            place += length
    return condensed


TASKS: dict[str, Task] = {
    "exact": ours,
    "partitioned": partitioned,
    "authors": authors_way,
    "scipy": with_scipy,
    "products+fastcluster": products_into_fastcluster,
    "sklearn": with_sklearn,
}


def make_features(path: Path, *, n: int, d: int, dtype: str) -> NDArray[np.float64]:
    """Write a Gaussian mixture of 60 to some hundred kinds and return its scores."""
    rng = np.random.default_rng(0)
    kinds = max(60, min(600, n // 1000))
    centres, goodness = 2 * rng.standard_normal((kinds, d), np.float32), rng.random(kinds)
    kind = rng.integers(0, kinds, n)
    rows = np.lib.format.open_memmap(path, "w+", dtype, (n, d))
    for start in range(0, n, 10_000):
        piece = centres[kind[start : start + 10_000]]
        rows[start : start + 10_000] = piece + rng.standard_normal(piece.shape, np.float32)
    rows.flush()
    return np.clip(goodness[kind] + 0.1 * rng.standard_normal(n), 0, 1)


def run_task(name: str, folder: Path) -> None:
    """In a process of its own: measure one contender and print the result as JSON."""
    features, scores = folder / "features.npy", np.load(folder / "scores.npy")
    warm = folder / f"warm-{name}.npy"
    np.save(warm, np.load(features, mmap_mode="r")[:1500])
    TASKS[name](warm, scores[:1500])
    waits = record_waits()
    started, used, own = time.perf_counter(), time.process_time(), time.thread_time()
    merges = TASKS[name](features, scores)
    seconds, cpu = time.perf_counter() - started, time.process_time() - used
    own_core = time.thread_time() - own + sum(waits)
    np.save(folder / f"merges-{name}.npy", merges)
    found = {"seconds": seconds, "cpu_seconds": cpu, "own_core_seconds": own_core, "peak_mib": peak_mib()}
    print(json.dumps(found))


def record_waits() -> list[float]:
    """CPU seconds of the busiest thread of each `Crew.run` from now on; a crew of one waits for nobody."""
    from pipeline.linkage import threads

    waits: list[float] = []
    run, work_off = threads.Crew.run, threads._work_off
    busy: list[float] = []

    def recorded(*arguments: Any) -> None:
        began = time.thread_time()
        work_off(*arguments)
        busy.append(time.thread_time() - began)

    def run_recorded(crew: threads.Crew, work: Any, pieces: Any) -> None:
        shared = crew.threads > 1 and threading.current_thread() is threading.main_thread()
        if shared:
            busy.clear()
        run(crew, work, pieces)
        if shared:
            waits.append(max(busy))

    threads._work_off, threads.Crew.run = recorded, run_recorded  # type: ignore[method-assign]
    return waits


def measured(name: str, folder: Path) -> dict[str, Any]:
    environment = {**os.environ, "OMP_WAIT_POLICY": "passive"}
    command = [sys.executable, __file__, "--task", name, "--folder", str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        return {"error": lines[-1] if lines else f"ended by signal {-done.returncode}"}
    return dict(json.loads(done.stdout.splitlines()[-1]))


def clusters(merges: NDArray[np.float64], marks: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """One number for every inner node, equal for equal sets of leaves."""
    n = len(marks)
    held = np.zeros(2 * n - 1, np.uint64)
    held[:n] = marks
    for k, (left, right) in enumerate(merges[:, :2].astype(np.int64)):
        held[n + k] = held[left] ^ held[right]
    return held[n:]


def compare(n: int, d: int, dtype: str, names: list[str], folder: Path) -> dict[str, Any]:
    """Measure the contenders on n masks, print their table, return it."""
    np.save(folder / "scores.npy", make_features(folder / "features.npy", n=n, d=d, dtype=dtype))
    print(f"\n{n:,} masks, {d} dimensions, {dtype}; {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    print(
        f"{'':22}{'seconds':>9}{'CPU s':>8}{'own-core':>10}{'MiB':>8}{'µs/mask':>9}"
        f"{'time ×':>8}{'own-core ×':>12}{'memory ×':>10}{'same':>7}"
    )
    marks = np.random.default_rng(1).integers(1, 2**63, n).astype(np.uint64)
    rows: dict[str, Any] = {}
    for name in names:
        rows[name] = found = measured(name, folder)
        base = rows[names[0]]
        if "error" in found or "error" in base:
            print(f"{name:22}{found.get('error', 'nothing to compare with')}", flush=True)
            continue
        found["times_slower"] = found["seconds"] / base["seconds"]
        found["times_own_core"] = found["own_core_seconds"] / base["own_core_seconds"]
        found["times_memory"] = found["peak_mib"] / base["peak_mib"]
        found["same_clusters"] = _shared(folder, names[0], name, marks) if n <= 100_000 else None
        print(_line(name, found, n), flush=True)
    return {"n": n, "d": d, "dtype": dtype, "contenders": rows}


def _shared(folder: Path, first: str, second: str, marks: NDArray[np.uint64]) -> float:
    ours_, theirs = (clusters(np.load(folder / f"merges-{name}.npy"), marks) for name in (first, second))
    return len(np.intersect1d(ours_, theirs)) / len(ours_)


def _line(name: str, found: dict[str, Any], n: int) -> str:
    same = "" if found["same_clusters"] is None else f"{found['same_clusters']:.1%}"
    return (
        f"{name:22}{found['seconds']:9.2f}{found['cpu_seconds']:8.1f}{found['own_core_seconds']:10.2f}"
        f"{found['peak_mib']:8.0f}{1e6 * found['own_core_seconds'] / n:9.1f}{found['times_slower']:8.1f}"
        f"{found['times_own_core']:12.1f}{found['times_memory']:10.1f}{same:>7}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--n", type=int, nargs="+", default=[10_000], help="numbers of masks")
    parser.add_argument("--d", type=int, default=512, help="dimensions")
    parser.add_argument("--dtype", choices=["float32", "float16"], default="float32", help="of the features")
    parser.add_argument(
        "--rivals", nargs="+", choices=list(TASKS), help="the first is what others compare to"
    )
    parser.add_argument("--json", type=Path, help="write the figures there as well")
    parser.add_argument("--folder", type=Path, help="where features are written for a while")
    parser.add_argument("--task", choices=list(TASKS), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.task:
        return run_task(chosen.task, chosen.folder)
    tables = []
    for n in chosen.n:
        names = chosen.rivals or (list(TASKS) if n <= EXACT_ONLY_UP_TO else ["partitioned"])
        with TemporaryDirectory(dir=chosen.folder) as folder:
            tables.append(compare(n, chosen.d, chosen.dtype, names, Path(folder)))
    if chosen.json:
        chosen.json.write_text(json.dumps({"cores": os.cpu_count(), "tables": tables}, indent=2) + "\n")
    return None


if __name__ == "__main__":
    main()
