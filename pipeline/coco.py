"""COCO's JSON as streams: instances and results are read item by item, and written likewise.

Files of any size pass in the memory of one item. Sections may stand in any order, so each is read in a pass
of its own; `pipeline.coco_index` gives access by image.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from typing import IO, Any, BinaryIO, TypeVar

import ijson

READ_AT_ONCE = 1 << 20  # bytes


class CocoError(ValueError):
    """A COCO file that cannot be used, or an item of it; names the file and the item."""


class MalformedJson(CocoError):
    """The file is not JSON, or ends in the middle."""


class MalformedItem(CocoError):
    """An item lacks a key or holds a value of the wrong kind."""


ItemProblem = Callable[[MalformedItem], None]
"""Told of each item that cannot be read; may raise to stop there."""


@dataclass(frozen=True, slots=True)
class CocoCategory:
    """An entry of `categories`."""

    id: int
    name: str
    supercategory: str = ""


@dataclass(frozen=True, slots=True)
class CocoImage:
    """An entry of `images`; sizes in pixels, None where the file gives none."""

    id: int
    file_name: str
    width: int | None = None
    height: int | None = None


@dataclass(frozen=True, slots=True)
class CocoAnnotation:
    """An entry of `annotations`; `segmentation` as `pipeline.masks.from_coco` reads it."""

    image_id: int
    category_id: int
    segmentation: Any
    id: int | None = None
    iscrowd: bool = False


@dataclass(frozen=True, slots=True)
class CocoResult:
    """An entry of a results list; the image by id or by file name.

    Attributes
    ----------
    row : place in the file, from 0
    score, predicted_iou : in [0, 1]; the latter, which COCO does not know, is 1 where it is not given
    """

    row: int
    image_id: int | str
    category_id: int
    score: float
    segmentation: Any
    predicted_iou: float = 1.0


T = TypeVar("T")


def refuse(problem: MalformedItem) -> None:
    """The default answer to a malformed item: raise it."""
    raise problem


def read_categories(path: Path, *, problem: ItemProblem = refuse) -> Iterator[CocoCategory]:
    """The categories of an instances file."""
    return _entries(path, "categories.item", _category, problem)


def read_images(path: Path, *, problem: ItemProblem = refuse) -> Iterator[CocoImage]:
    """The images of an instances file."""
    return _entries(path, "images.item", _image, problem)


def read_annotations(path: Path, *, problem: ItemProblem = refuse) -> Iterator[CocoAnnotation]:
    """The annotations of an instances file."""
    return _entries(path, "annotations.item", _annotation, problem)


def read_results(path: Path, *, problem: ItemProblem = refuse) -> Iterator[CocoResult]:
    """A results file: a list of predictions, or an object with such a list under `annotations`.

    Raises
    ------
    MalformedJson
        When the file is not JSON.
    MalformedItem
        For an unreadable entry, unless `problem` deals with it.
    """
    return _entries(path, "item" if is_list(path) else "annotations.item", _result, problem)


def is_list(path: Path) -> bool:
    """Whether a file is a bare list of results, rather than an object that may list images and categories."""
    with path.open("rb") as file:
        while (byte := file.read(1)).isspace():
            pass
    return byte == b"["


def _entries(path: Path, prefix: str, parse: Callable[[Fields], T], problem: ItemProblem) -> Iterator[T]:
    section = prefix.removesuffix(".item").removesuffix("item") or "results"
    for number, item in enumerate(_items(path, prefix, section)):
        try:
            yield parse(Fields(item, number, f"{path}: {section}[{number}]"))
        except MalformedItem as malformed:
            problem(malformed)


def _items(path: Path, prefix: str, section: str) -> Iterator[Any]:
    number = 0
    with path.open("rb") as file:
        try:
            for item in ijson.items(file, prefix, use_float=True, buf_size=READ_AT_ONCE):
                yield item
                number += 1
        except (ijson.JSONError, UnicodeDecodeError) as error:
            reason = str(error).strip().splitlines()[0]
            raise MalformedJson(f"{path}: not valid JSON ({reason}), after {number} {section}") from error


class Fields:
    """The values of one JSON object, each asked for by the kind that it should have."""

    def __init__(self, item: object, number: int, place: str) -> None:
        self.number, self.place = number, place
        if not isinstance(item, Mapping):
            raise MalformedItem(f"{place} is {type(item).__name__}, not an object")
        self.item = item

    def value(self, key: str) -> Any:
        """The value of a key that has to be there."""
        if self.item.get(key) is None:
            raise MalformedItem(f"{self._named()} has no '{key}'")
        return self.item[key]

    def whole(self, key: str) -> int:
        """A whole number, also where it is written as 3.0."""
        value = self.value(key)
        if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1:
            raise MalformedItem(f"{self._named()}: '{key}' is {value!r}, not a whole number")
        return int(value)

    def whole_if_given(self, key: str) -> int | None:
        """A whole number or None."""
        return None if self.item.get(key) is None else self.whole(key)

    def text(self, key: str) -> str:
        """A string."""
        value = self.value(key)
        if not isinstance(value, str):
            raise MalformedItem(f"{self._named()}: '{key}' is {value!r}, not a text")
        return value

    def share(self, key: str) -> float:
        """A number in [0, 1]."""
        value = self.value(key)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
            raise MalformedItem(f"{self._named()}: '{key}' is {value!r}, not a number from 0 to 1")
        return float(value)

    def _named(self) -> str:
        return f"{self.place} (id {self.item['id']})" if "id" in self.item else self.place


def _category(fields: Fields) -> CocoCategory:
    supercategory = str(fields.item.get("supercategory") or "")
    return CocoCategory(fields.whole("id"), fields.text("name"), supercategory)


def _image(fields: Fields) -> CocoImage:
    width, height = fields.whole_if_given("width"), fields.whole_if_given("height")
    return CocoImage(fields.whole("id"), fields.text("file_name"), width, height)


def _annotation(fields: Fields) -> CocoAnnotation:
    return CocoAnnotation(
        id=fields.whole_if_given("id"),
        image_id=fields.whole("image_id"),
        category_id=fields.whole("category_id"),
        segmentation=fields.value("segmentation"),
        iscrowd=bool(fields.item.get("iscrowd")),
    )


def _result(fields: Fields) -> CocoResult:
    by_name = isinstance(fields.value("image_id"), str)
    return CocoResult(
        row=fields.number,
        image_id=fields.text("image_id") if by_name else fields.whole("image_id"),
        category_id=fields.whole("category_id"),
        score=fields.share("score"),
        segmentation=fields.value("segmentation"),
        predicted_iou=1.0 if fields.item.get("predicted_iou") is None else fields.share("predicted_iou"),
    )


Section = tuple[str, Iterable[Mapping[str, Any]]]


def write_instances(
    path: Path,
    *,
    info: Mapping[str, Any],
    categories: Iterable[Mapping[str, Any]],
    images: Iterable[Mapping[str, Any]],
    annotations: Iterable[Mapping[str, Any]],
) -> None:
    """Write a COCO instances file item by item; `path` appears, or is replaced, only when it is whole.

    An iterable may be lazy: `images` is drawn to its end before `annotations` is begun.
    """
    sections: tuple[Section, ...] = (
        ("categories", categories),
        ("images", images),
        ("annotations", annotations),
    )
    with replacing(path) as file:
        file.write('{"info": ' + json.dumps(info))
        for name, items in sections:
            file.write(f',\n"{name}": [')
            _write_items(file, items)
            file.write("]")
        file.write("}\n")


def _write_items(file: IO[str], items: Iterable[Mapping[str, Any]]) -> None:
    separator = "\n"
    for item in items:
        file.write(separator + json.dumps(item))
        separator = ",\n"


@contextmanager
def replacing(path: Path) -> Iterator[IO[str]]:
    """A text file that takes the place of `path` at the end, or leaves no trace if the block fails."""
    with replacing_bytes(path) as file:
        text = TextIOWrapper(file, encoding="utf-8", newline="")
        yield text
        text.detach()


@contextmanager
def replacing_bytes(path: Path) -> Iterator[BinaryIO]:
    """The same for bytes; it can be sought in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with unfinished.open("wb", buffering=READ_AT_ONCE) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
