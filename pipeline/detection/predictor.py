"""Masks, scores and features of a stream of images by a trained network."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sized
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline import masks
from pipeline.detection.detector import Detection
from pipeline.detection.device import Machine
from pipeline.detection.loading import Resized, ahead, read_resized
from pipeline.detection.network import DetectionNetwork
from pipeline.detection.options import PredictOptions
from pipeline.detection.pasting import encode_window, paste
from pipeline.pictures import ImageSource, UnreadableImage
from pipeline.predictions import Predictions, Rle
from pipeline.progress import Progress, silent

Arrays = dict[str, NDArray[np.generic]]


@dataclass(frozen=True, slots=True)
class _Found:
    """What the network found in one image, before masks are drawn; or what was wrong with the image."""

    source: ImageSource
    resized: Resized | None
    arrays: Arrays
    problem: str = ""


class MaskPredictor:
    """Satisfies Predictor: a network with its categories, ready on its device.

    Attributes
    ----------
    network, machine, batch_size : what predicts, where, and how many images at a time
    """

    def __init__(
        self,
        network: DetectionNetwork,
        *,
        category_ids: tuple[int, ...],
        short_side: int,
        options: PredictOptions,
    ) -> None:
        self.machine = Machine.choose(options.hardware)
        self.network = network.to(self.machine.device).to(memory_format=torch.channels_last).eval()
        self.network.keep(options)
        self._category_ids = category_ids
        self._short_side = short_side
        self.batch_size = options.batch_size or (4 if self.machine.device.type == "cpu" else 8)
        self._options = options

    @property
    def category_ids(self) -> tuple[int, ...]:
        return self._category_ids

    def predict(self, images: Iterable[ImageSource], *, progress: Progress = silent) -> Iterator[Detection]:
        """Yield a Detection for every image, in order: decoding runs ahead of the network, drawing behind."""
        total = len(images) if isinstance(images, Sized) else 0
        threads, size = self.machine.loaders, self.batch_size
        read = partial(read_resized, short_side=self._short_side)
        with self.machine.threads_set():
            done = 0
            progress(done, total, "Detecting")
            readings = ahead(images, read, threads=threads, waiting=2 * size)
            for _, drawn in ahead(self._looked_at(readings), self._drawn, threads=threads, waiting=size):
                yield drawn.result()
                done += 1
                progress(done, total, "Detecting")

    def _looked_at(self, readings: Iterator[tuple[ImageSource, Future[Resized]]]) -> Iterator[_Found]:
        """Pass images through the network, a batch at a time; broken ones keep their place."""
        batch: list[_Found] = []
        for source, reading in readings:
            try:
                batch.append(_Found(source, reading.result(), {}))
            except UnreadableImage as error:
                batch.append(_Found(source, None, {}, str(error)))
            if len(batch) == self.batch_size:
                yield from self._infer(batch)
                batch = []
        yield from self._infer(batch)

    @torch.inference_mode()
    def _infer(self, batch: list[_Found]) -> list[_Found]:
        device = self.machine.device
        readable = [found.resized.image for found in batch if found.resized is not None]
        if not readable:
            return batch
        with self.machine.autocast():
            outputs = self.network([torch.from_numpy(image).to(device) for image in readable])
        arrays = iter([{name: tensor.cpu().numpy() for name, tensor in output.items()} for output in outputs])
        return [
            found if found.resized is None else _Found(found.source, found.resized, next(arrays))
            for found in batch
        ]

    def _drawn(self, found: _Found) -> Detection:
        """Bring masks to the image's own size, as run lengths; masks without a pixel are dropped."""
        if found.resized is None:
            return Detection(found.source, None, found.problem)
        height, width = found.resized.height, found.resized.width
        _, rows, columns = found.resized.image.shape
        scale = np.array([width / columns, height / rows] * 2, dtype=np.float32)
        boxes = found.arrays["boxes"].astype(np.float32) * scale
        rles = [
            _rle(mask, box, height, width)
            for mask, box in zip(found.arrays["masks"].astype(np.float32), boxes, strict=True)
        ]
        seen = np.flatnonzero(masks.areas(rles)) if rles else np.zeros(0, dtype=np.intp)
        return Detection(found.source, self._predictions(found.arrays, rles, seen))

    def _predictions(self, arrays: Arrays, rles: list[Rle], seen: NDArray[np.intp]) -> Predictions:
        kept = [rles[row] for row in seen]
        ids = np.array((0, *self._category_ids), dtype=np.int32)
        return Predictions(
            categories=ids[arrays["labels"][seen].astype(np.intp)],
            boxes=masks.boxes(kept).astype(np.float32).reshape(-1, 4),
            class_scores=arrays["scores"][seen].astype(np.float32),
            predicted_ious=arrays["ious"][seen].astype(np.float32),
            masks=kept,
            features={kind: arrays[kind][seen].astype(np.float16) for kind in self._options.features},
        )


def _rle(mask: NDArray[np.float32], box: NDArray[np.float32], height: int, width: int) -> Rle:
    window, top, left = paste(mask, box, height=height, width=width)
    return encode_window(window, top=top, left=left, height=height, width=width)
