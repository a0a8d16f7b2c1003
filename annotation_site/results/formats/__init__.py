"""What a dataset can be written as: a row a format."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from annotation_site.catalog.models import Project
from annotation_site.results.formats import answers, coco, panoptic, parquet, predictions, voc, yolo
from annotation_site.results.formats.choice import Choice
from pipeline.progress import Progress

Write = Callable[[Project, Choice, Path, datetime, Progress], int]
"""Write a file, whole or not at all, as of one moment; the number of its entries."""


@dataclass(frozen=True, slots=True)
class Format:
    """A row of FORMATS.

    Attributes
    ----------
    label : for people who choose
    about : what it is and what reads it
    suffix : of the file's name
    entry : what people call one of its entries, in the plural
    chooses : whether it is of the masks that are chosen; else of all that it is about
    """

    label: str
    about: str
    suffix: str
    write: Write
    entry: str = "masks"
    chooses: bool = True


FORMATS: Mapping[str, Format] = {
    "coco": Format(
        "COCO instances",
        "One JSON file with the provenance of each mask; also imports here.",
        ".json",
        coco.write,
    ),
    "coco-polygons": Format(
        "COCO instances, polygons",
        "The same for tools that read no run lengths.",
        ".json",
        coco.write_polygons,
    ),
    "panoptic": Format(
        "COCO panoptic",
        "A PNG of segment ids an image, and their JSON; overlaps go to the better score.",
        ".zip",
        panoptic.write,
    ),
    "yolo": Format(
        "YOLO segmentation",
        "A text file of polygons an image, and data.yaml.",
        ".zip",
        yolo.write,
    ),
    "voc": Format(
        "Pascal VOC",
        "Class and object masks as PNG, and boxes as XML, an image each.",
        ".zip",
        voc.write,
    ),
    "parquet": Format(
        "Parquet",
        "One row a mask with its provenance, for dataframes and databases.",
        ".parquet",
        parquet.write,
    ),
    "answers": Format(
        "Answer log",
        "Every answer ever given, undone and withdrawn ones too, as CSV.",
        ".csv",
        answers.write,
        entry="answers",
        chooses=False,
    ),
    "predictions": Format(
        "Held-out predictions",
        "The latest round's, or the chosen one's, with features and IoU, for experiments, as NumPy's .npz.",
        ".npz",
        predictions.write,
        entry="predictions",
        chooses=False,
    ),
}
