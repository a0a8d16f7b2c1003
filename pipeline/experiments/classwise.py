"""Worlds too large for memory: one class at a time is drawn, clustered and searched, and then forgotten.

The queue of a search goes by priorities that a cluster has by itself, and classes share no answers. So each
tree is searched alone, and the courses are put together afterwards exactly as one queue would have run.
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from pipeline.calibration import Calibration
from pipeline.children import pool
from pipeline.decisions import Thresholds, Verdict
from pipeline.dendrogram import Dendrogram
from pipeline.experiments.triplets import ClassModel, TripletModel, Triplets
from pipeline.experiments.worlds import Run, accepted_by_truth, crowd, held
from pipeline.linkage import linkage
from pipeline.linkage.partitioned import partitioned_linkage
from pipeline.progress import Progress, silent
from pipeline.sampling import leaf_keys
from pipeline.search import search
from pipeline.strategies import STRATEGIES, Knowledge

BLOCK = 2_048
"""Larger classes get trees in blocks of so many masks: they cost the same per mask in any world."""
_BYTES_PER_GB = 1e9


@dataclass(frozen=True, slots=True)
class Way:
    """How to search.

    Attributes
    ----------
    accuracy : how often workers are right, whatever `thresholds.accuracy` believes
    reuse : whether answers serve all clusters that hold the mask
    """

    rule: str
    strategy: str
    thresholds: Thresholds
    calibration: Calibration | None
    accuracy: float = 1.0
    reuse: bool = True


@dataclass(frozen=True, slots=True)
class ClassCourse:
    """The d decisions on one class, in the order in which they were taken.

    Attributes
    ----------
    priorities : (d,) float64, of the clusters
    questions : (d,) int64, asked for each
    gained : (d, 5) float64, what each accepted, as `worlds.held` says
    """

    priorities: NDArray[np.float64]
    questions: NDArray[np.int64]
    gained: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ClassResult:
    """What came of one class.

    Attributes
    ----------
    courses : by the name of the way
    known : (5,) what would be accepted if every mask of a cluster were known, as `worlds.held` says
    seconds : of a core, for drawing, clustering and searching (by the name of the way)
    peak_gb : of memory that the process had taken by then
    """

    index: int
    masks: int
    courses: Mapping[str, ClassCourse]
    known: NDArray[np.float64]
    seconds: Mapping[str, float]
    peak_gb: float
    process: int

    def save(self, path: Path) -> None:
        """Write an .npz file, whole or not at all."""
        plain = {name: getattr(self, name) for name in ("index", "masks", "peak_gb", "process")}
        said = json.dumps({**plain, "seconds": dict(self.seconds), "ways": list(self.courses)})
        arrays = {
            f"{at}_{name}": getattr(course, name)
            for at, course in enumerate(self.courses.values())
            for name in ClassCourse.__slots__
        }
        with path.with_suffix(".partial").open("wb") as file:
            np.savez(file, said=np.array(said), known=self.known, **arrays)
        path.with_suffix(".partial").replace(path)

    @classmethod
    def load(cls, path: Path) -> ClassResult:
        """What `save` wrote."""
        with np.load(path, allow_pickle=False) as stored:
            said = json.loads(str(stored["said"]))
            courses = {
                way: ClassCourse(*(stored[f"{at}_{name}"] for name in ClassCourse.__slots__))
                for at, way in enumerate(said.pop("ways"))
            }
            return cls(**said, known=stored["known"], courses=courses)


def joined(courses: Sequence[ClassCourse]) -> Run:
    """The course of one queue over all classes.

    The queue takes the class whose next cluster has the highest priority. What follows a cluster of low
    priority in its class is taken at once if it is of a higher one: a cluster's turn comes at the lowest
    priority up to it in its class. Of equal ones the first class goes first.
    """
    turns = np.concatenate([np.minimum.accumulate(course.priorities) for course in courses])
    of = np.repeat(np.arange(len(courses)), [len(course.priorities) for course in courses])
    order = np.lexsort((of, -turns))  # stable: a class keeps its order
    questions = np.concatenate([course.questions for course in courses])[order]
    return Run.of(questions, np.concatenate([course.gained for course in courses])[order])


def each_class(
    model: TripletModel,
    ways: Mapping[str, Way],
    *,
    masks: int,
    seed: int,
    method: str = "complete",
    processes: int | None = None,
    keep: Path | None = None,
    progress: Progress = silent,
) -> Iterator[ClassResult]:
    """Draw, cluster and search every class of a world of `masks`, the largest first, as they get done.

    Parameters
    ----------
    processes : by itself one for each core this process may use
    keep : a folder for finished classes and pieces of trees: started again with it, the work goes on there
    """
    sizes = model.sizes(masks)
    jobs = [
        _Job(index, one, size, seed, method, dict(ways), keep)
        for index, (one, size) in enumerate(zip(model.classes, sizes, strict=True))
        if size
    ]
    jobs.sort(key=lambda job: -job.size)
    done = 0
    progress(0, masks, "Searching classes")
    for result in _carried_out(jobs, processes or len(os.sched_getaffinity(0))):
        done += result.masks
        yield result
        progress(done, masks, "Searching classes")


@dataclass(frozen=True, slots=True)
class _Job:
    index: int
    model: ClassModel
    size: int
    seed: int
    method: str
    ways: dict[str, Way]
    keep: Path | None

    @property
    def name(self) -> str:
        """Other masks or other ways have another name."""
        said = hashlib.sha256(repr((self.size, self.seed, self.method, BLOCK, self.ways)).encode())
        said.update(self.model.means.tobytes() + self.model.weights.tobytes())
        return f"class-{self.index:03}-{said.hexdigest()[:16]}"


def _carried_out(jobs: Sequence[_Job], processes: int) -> Iterator[ClassResult]:
    if processes == 1:
        yield from map(_resumed, jobs)
        return
    with pool(processes) as others:
        try:
            for future in as_completed([others.submit(_resumed, job) for job in jobs]):
                yield future.result()
        finally:
            others.shutdown(wait=False, cancel_futures=True)


def _resumed(job: _Job) -> ClassResult:
    """The result that is kept, or a new one."""
    if job.keep is None:
        with TemporaryDirectory(prefix="class-") as folder:
            return _result(job, Path(folder))
    kept, pieces = job.keep / f"{job.name}.npz", job.keep / job.name
    if not kept.exists():
        pieces.mkdir(parents=True, exist_ok=True)
        _result(job, pieces).save(kept)
        shutil.rmtree(pieces)
    return ClassResult.load(kept)


def _result(job: _Job, folder: Path) -> ClassResult:
    watch = _Watch()
    part = job.model.sample(job.size, np.random.default_rng([job.seed, job.index]))
    watch.lap("drawing")
    merges = _clustered(part, method=job.method, folder=folder)
    tree = Dendrogram.from_linkage(merges, part.scores)
    del merges
    ious = part.ious[tree.order]
    del part
    watch.lap("clustering")
    courses = {}
    for name, way in job.ways.items():
        courses[name] = _searched(tree, ious, way, seed=job.seed, index=job.index)
        watch.lap(name)
    thresholds = next(iter(job.ways.values())).thresholds
    nodes = accepted_by_truth(tree, ious, thresholds)
    known = held(ious, tree.lo[nodes], tree.hi[nodes], k_iou=thresholds.k_iou).sum(axis=0)
    return ClassResult(job.index, tree.n, courses, known, watch.laps, _peak_gb(), os.getpid())


def _clustered(part: Triplets, *, method: str, folder: Path) -> NDArray[np.float64]:
    if len(part.scores) <= BLOCK:
        return linkage(part.features, part.scores, method=method, threads=1, exact_up_to=BLOCK)
    return partitioned_linkage(
        part.features, part.scores, method=method, seed=0, folder=folder, block=BLOCK, threads=1
    )


def _searched(tree: Dendrogram, ious: NDArray[np.float32], way: Way, *, seed: int, index: int) -> ClassCourse:
    """One class searched to the end."""
    knowledge = Knowledge(way.thresholds, way.calibration)
    clusters, questions, accepted = [], [], []
    for decision in search(
        [tree],
        crowd([ious >= way.thresholds.k_iou], accuracy=way.accuracy, seed=seed * 1_000 + index),
        keys=[leaf_keys(tree.n, seed=seed * 1_000 + index)],
        thresholds=way.thresholds,
        strategy=way.strategy,
        rule=way.rule,
        known=[knowledge],
        reuse=way.reuse,
    ):
        clusters.append(decision.cluster)
        questions.append(decision.questions)
        accepted.append(decision.verdict is Verdict.ACCEPT)
    nodes, taken = np.array(clusters, dtype=np.int64), np.array(accepted, dtype=bool)
    gained = np.zeros((len(nodes), 5))
    gained[taken] = held(ious, tree.lo[nodes[taken]], tree.hi[nodes[taken]], k_iou=way.thresholds.k_iou)
    priorities = STRATEGIES[way.strategy](tree, nodes, knowledge)
    return ClassCourse(priorities, np.array(questions, dtype=np.int64), gained)


class _Watch:
    """Seconds of a core between laps."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._since = time.process_time()

    def lap(self, name: str) -> None:
        now = time.process_time()
        self.laps[name], self._since = now - self._since, now


def _peak_gb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / _BYTES_PER_GB
