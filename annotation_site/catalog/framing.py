"""Which part of a photo is shown with an object: enough context to know what it is, large enough to judge."""

from __future__ import annotations

from dataclasses import dataclass

OBJECT_SHARE = 0.58
"""Share of the crop that the object's longer side takes, where the photo has room."""
SHORTEST_SIDE = 64
"""Pixels: a smaller crop would show a tiny object without its surroundings."""
WIDEST = 4 / 3
"""Crops are between 3:4 and 4:3, so that they fill a phone held upright and a monitor alike."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A rectangle of whole pixels in the upright photo."""

    x: int
    y: int
    width: int
    height: int

    def fitted(self, longest: int) -> tuple[int, int]:
        """(width, height) in pixels of this part shown with no side over `longest`; never enlarged."""
        scale = min(1.0, longest / max(self.width, self.height))
        return max(1, round(self.width * scale)), max(1, round(self.height * scale))


def around(box: tuple[float, float, float, float], *, width: int, height: int) -> Frame:
    """The crop for an object: centred on it where the photo allows, always inside the photo.

    Parameters
    ----------
    box : x, y, width, height in pixels of the upright photo; may reach over its edges.
    width, height : of the upright photo, in pixels.
    """
    x, y, w, h = box
    w, h = max(w, 1.0), max(h, 1.0)
    aspect = min(max(w / h, 1 / WIDEST), WIDEST)
    tall = max(w / OBJECT_SHARE / aspect, h / OBJECT_SHARE, SHORTEST_SIDE, SHORTEST_SIDE / aspect)
    wide = min(round(tall * aspect), width)
    tall = min(round(tall), height)
    return Frame(_start(x + w / 2, wide, width), _start(y + h / 2, tall, height), wide, tall)


def _start(centre: float, length: int, limit: int) -> int:
    return min(max(round(centre - length / 2), 0), limit - length)


def before_turning(frame: Frame, orientation: int, *, width: int, height: int) -> Frame:
    """Where an upright frame lies in the file's own pixels.

    Parameters
    ----------
    orientation : EXIF's, 1 to 8.
    width, height : of the upright photo, in pixels.
    """
    right, below = width - frame.x - frame.width, height - frame.y - frame.height
    x = frame.x if orientation in (1, 4, 5, 8) else right
    y = frame.y if orientation in (1, 2, 5, 6) else below
    if orientation in (5, 6, 7, 8):
        return Frame(y, x, frame.height, frame.width)
    return Frame(x, y, frame.width, frame.height)
