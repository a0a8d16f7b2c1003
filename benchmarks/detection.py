"""What detection costs beside the network: decoding, features, outlines as run lengths, storage.

    .venv/bin/python benchmarks/detection.py [--detector maskrcnn-small] [--images 200] [--json FILE]
    .venv/bin/python benchmarks/detection.py --detector pointrend --weights none --iterations 1 \
        --option batch_size=1 --option short_side=320 --min-confidence 0 --max-masks 8 --images 12

The rival is the bare network, in the same run and by turns: batches that are decoded already, on its device,
no feature vectors, nothing drawn or stored. The whole is what the detect stage does: from files to a shard.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from pipeline.detection import Hardware, PredictOptions, get_detector
from pipeline.detection.loading import read_resized
from pipeline.detection.predictor import MaskPredictor
from pipeline.detection.training import load
from pipeline.experiments.detectors.trial import Trial
from pipeline.pictures import ImageSource
from pipeline.shards import write_shard

WITHOUT_FEATURES: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Measured:
    """Milliseconds an image, medians over the rounds, and what came out.

    Attributes
    ----------
    network : bare
    features : bare, and the feature vectors
    whole : from file to shard
    overhead : of the whole, in the time of the bare network
    masks, bytes : of an image, on average
    """

    detector: str
    device: str
    threads: int
    loaders: int
    images: int
    network: float
    features: float
    whole: float
    overhead: float
    masks: float
    bytes: float


def main() -> None:
    asked = parser().parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = asked.cache or Path(temporary)
        found = measure(asked, folder)
    table = Table("ms an image", "ms", "in the bare network's", title=f"{found.detector} on {found.device}")
    for name in ("network", "features", "whole"):
        value = getattr(found, name)
        table.add_row(name, f"{value:.1f}", f"{value / found.network:.2f}")
    Console().print(table)
    Console().print(
        f"overhead {found.overhead:.1%}; {found.masks:.1f} masks and {found.bytes / 1024:.0f} KB an image; "
        f"{found.threads} threads, {found.loaders} loaders"
    )
    if asked.json:
        asked.json.write_text(json.dumps(asdict(found)))


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--detector", default="maskrcnn-small")
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--iterations", type=int, default=100, help="of the training that makes the model")
    parser.add_argument("--weights", default="auto", help="that the training starts from")
    parser.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="NAME=JSON",
        help="of the training, such as batch_size=1",
    )
    parser.add_argument(
        "--min-confidence", type=float, default=0.2, help="0 with a network that has learnt nothing"
    )
    parser.add_argument("--max-masks", type=int, default=100, help="of an image")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--loaders", type=int)
    parser.add_argument("--cache", type=Path, help="keeps scenes and model for the next time")
    parser.add_argument("--json", type=Path, metavar="FILE")
    return parser


def option(said: str) -> tuple[str, Any]:
    name, value = said.split("=", 1)
    return name, json.loads(value)


def measure(asked: argparse.Namespace, folder: Path) -> Measured:
    trial = Trial(
        folder=folder,
        images={"initial": 24, "heldout": 1, "pool": asked.images},
        detector=asked.detector,
        options={"iterations": asked.iterations, "weights": asked.weights, **dict(map(option, asked.option))},
    )
    painted = trial.paint()
    trial.train(painted["initial"], name="benchmark")
    model = folder / f"{asked.detector}-0-benchmark" / "model.pt"
    hardware = Hardware(device=asked.device, threads=asked.threads, loaders=asked.loaders)
    asked_of_all = PredictOptions(
        hardware=hardware, min_confidence=asked.min_confidence, max_masks=asked.max_masks
    )
    predictor = get_detector(asked.detector).load(model, options=asked_of_all)
    sources = [image.source for image in painted["pool"]]
    decoded = list(decode(sources, model))
    whole: dict[str, list[float]] = {"network": [], "features": [], "whole": []}
    for _ in range(asked.rounds):
        whole["network"].append(bare(predictor, decoded, replace(asked_of_all, features=WITHOUT_FEATURES)))
        whole["features"].append(bare(predictor, decoded, asked_of_all))
        taken, masks, size = stored(predictor, sources, folder / "shard.npz", asked_of_all)
        whole["whole"].append(taken)
    times = {name: float(np.median(values)) / len(sources) * 1000 for name, values in whole.items()}
    return Measured(
        asked.detector,
        str(predictor.machine.device),
        predictor.machine.threads,
        predictor.machine.loaders,
        len(sources),
        **times,
        overhead=times["whole"] / times["network"] - 1,
        masks=masks / len(sources),
        bytes=size / len(sources),
    )


def decode(sources: Sequence[ImageSource], model: Path) -> Iterator[torch.Tensor]:
    """Images as the network takes them, in the size that the model was trained for."""
    short_side = load(model)["short_side"]
    for source in sources:
        yield torch.from_numpy(read_resized(source, short_side=short_side).image)


def bare(predictor: MaskPredictor, decoded: Sequence[torch.Tensor], options: PredictOptions) -> float:
    """Seconds of the network alone."""
    predictor.network.keep(options)
    machine = predictor.machine
    on_device = [image.to(machine.device) for image in decoded]
    wait = torch.cuda.synchronize if machine.device.type == "cuda" else lambda: None
    size = predictor.batch_size
    with machine.threads_set(), torch.inference_mode(), machine.autocast():
        wait()
        begun = time.perf_counter()
        for start in range(0, len(on_device), size):
            predictor.network(on_device[start : start + size])
        wait()
        return time.perf_counter() - begun


def stored(
    predictor: MaskPredictor, sources: Sequence[ImageSource], shard: Path, options: PredictOptions
) -> tuple[float, int, int]:
    """Seconds from files to a shard, its masks, and its bytes."""
    predictor.network.keep(options)
    begun = time.perf_counter()
    found = {row: detection.predictions for row, detection in enumerate(predictor.predict(sources))}
    with shard.open("wb") as file:
        masks = write_shard(file, {row: one for row, one in found.items() if one is not None})
    return time.perf_counter() - begun, masks, shard.stat().st_size


if __name__ == "__main__":
    main()
