"""What grows in a generated scene: outlines and colours of objects, look-alikes and clutter.

A thing is a list of parts, painted one over the other. Outlines live in a unit frame: the thing is upright,
centred, and reaches at most about 1 from its centre; x to the right, y downwards.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
Colour = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Part:
    """One painted piece of a thing.

    Attributes
    ----------
    outline : (n, 2) float64 x, y in the unit frame; a closed polygon, or an open stroke when `stroke` > 0
    colour : red, green, blue in [0, 1]
    relief : how much light and shade round it off, 0 is flat
    grain : strength of its fine texture, 0 is smooth
    stroke : width of the line in the unit frame, 0 fills the polygon
    inside : index of the earlier part that clips this one, None for none
    """

    outline: Points
    colour: Colour
    relief: float = 0.35
    grain: float = 0.08
    stroke: float = 0.0
    inside: int | None = None


@dataclass(frozen=True, slots=True)
class Species:
    """A category of a generated scene: how people are told what it is, and how one of it is grown."""

    name: str
    description: str
    grow: Callable[[np.random.Generator], list[Part]]


def ellipse(cx: float, cy: float, rx: float, ry: float, *, turn: float = 0.0, points: int = 40) -> Points:
    """An ellipse's outline; `turn` in radians, clockwise on the page."""
    t = np.linspace(0, 2 * np.pi, points, endpoint=False)
    x, y = rx * np.cos(t), ry * np.sin(t)
    return np.stack(
        [cx + x * np.cos(turn) - y * np.sin(turn), cy + x * np.sin(turn) + y * np.cos(turn)], axis=1
    )


def _pick(rng: np.random.Generator, palette: Sequence[Colour], spread: float = 0.06) -> Colour:
    """A colour near one of the palette's."""
    red, green, blue = np.clip(
        np.array(palette[int(rng.integers(len(palette)))]) + rng.normal(0, spread, 3), 0, 1
    )
    return float(red), float(green), float(blue)


def _shade(colour: Colour, factor: float) -> Colour:
    red, green, blue = (min(1.0, channel * factor) for channel in colour)
    return red, green, blue


LEAF_COLOURS = (
    (0.33, 0.55, 0.20),
    (0.50, 0.62, 0.22),
    (0.82, 0.66, 0.20),
    (0.78, 0.40, 0.16),
    (0.62, 0.22, 0.17),
)
CAP_COLOURS = ((0.80, 0.18, 0.14), (0.72, 0.45, 0.26), (0.86, 0.70, 0.48), (0.55, 0.33, 0.22))
PETAL_COLOURS = ((0.96, 0.94, 0.90), (0.93, 0.62, 0.74), (0.62, 0.52, 0.86), (0.96, 0.80, 0.26))
WING_COLOURS = ((0.82, 0.14, 0.12), (0.88, 0.46, 0.12), (0.16, 0.28, 0.24), (0.20, 0.18, 0.22))
NUT_COLOURS = ((0.66, 0.46, 0.22), (0.56, 0.34, 0.16), (0.62, 0.58, 0.28))
STONE_COLOURS = ((0.58, 0.57, 0.55), (0.68, 0.62, 0.54), (0.44, 0.44, 0.47), (0.60, 0.40, 0.33))
BARK_COLOURS = ((0.36, 0.26, 0.18), (0.46, 0.36, 0.26), (0.28, 0.22, 0.18))
GRASS_COLOURS = ((0.36, 0.52, 0.18), (0.48, 0.60, 0.24), (0.62, 0.60, 0.32))


def _blade(width: NDArray[np.float64], bend: float) -> Points:
    """A leaf-like outline around a bent midrib from (0, 1) up to (0, -1); `width` is its half width."""
    t = np.linspace(0, 1, len(width))
    rib = np.stack([bend * np.sin(np.pi * t), 1 - 2 * t], axis=1)
    side = np.stack([width, np.zeros_like(width)], axis=1)
    return np.concatenate([rib + side, (rib - side)[::-1]])


def _leaf_width(rng: np.random.Generator, widest: float, teeth: int, depth: float) -> NDArray[np.float64]:
    t = np.linspace(0, 1, 60)
    body = np.sin(np.pi * t ** rng.uniform(0.62, 0.9)) ** 0.8
    return widest * body * (1 - depth * (0.5 + 0.5 * np.cos(2 * np.pi * teeth * t)))


def leaf(rng: np.random.Generator) -> list[Part]:
    """A pointed leaf with its veins and stalk."""
    colour, bend = _pick(rng, LEAF_COLOURS), rng.uniform(-0.22, 0.22)
    width = _leaf_width(rng, rng.uniform(0.38, 0.56), int(rng.integers(9, 14)), rng.uniform(0, 0.10))
    body = _blade(width, bend) * [1, 0.84] + [0, -0.14]
    t = np.linspace(0, 1, 12)
    rib = np.stack([bend * np.sin(np.pi * t), (1 - 2 * t) * 0.84 - 0.14], axis=1)
    stalk = np.array([[0, 0.68], [rng.uniform(-0.1, 0.1), 1.0]])
    veins = [
        Part(np.stack([rib[k], rib[k] + [side * 0.5, -0.34]]), _shade(colour, 1.25), 0, 0, 0.028, 1)
        for k in range(2, 10)
        for side in (-1, 1)
    ]
    return [
        Part(stalk, _shade(colour, 0.75), 0.1, 0, 0.09),
        Part(body, colour, rng.uniform(0.15, 0.35), 0.10),
        *veins,
        Part(rib, _shade(colour, 1.3), 0, 0, 0.05, 1),
    ]


def mushroom(rng: np.random.Generator) -> list[Part]:
    """A cap, sometimes dotted, on a pale stem."""
    colour, high, lean = _pick(rng, CAP_COLOURS), rng.uniform(0.62, 0.95), rng.uniform(-0.14, 0.14)
    t = np.linspace(np.pi, 2 * np.pi, 30)
    brim = np.stack([np.linspace(0.86, -0.86, 16), 0.16 * np.sin(np.linspace(0, np.pi, 16))], axis=1)
    cap = np.concatenate([np.stack([0.86 * np.cos(t), high * np.sin(t)], axis=1), brim])
    foot = rng.uniform(0.18, 0.30)
    stem = np.array([[-0.2, -0.1], [0.2, -0.1], [foot + lean, 0.92], [lean, 0.99], [-foot + lean, 0.92]])
    parts = [Part(stem, _pick(rng, ((0.90, 0.86, 0.76),), 0.03), 0.4, 0.05), Part(cap, colour, 0.5, 0.06)]
    if rng.random() < 0.6:
        for _ in range(int(rng.integers(4, 9))):
            x, y, r = rng.uniform(-0.7, 0.7), rng.uniform(-0.85 * high, 0), rng.uniform(0.06, 0.14)
            parts.append(Part(ellipse(x, y, r, r * 0.8), (0.95, 0.93, 0.88), 0.1, 0, 0, 1))
    return parts


def flower(rng: np.random.Generator) -> list[Part]:
    """A ring of petals around a round heart."""
    petals, colour = int(rng.integers(5, 10)), _pick(rng, PETAL_COLOURS, 0.04)
    wide = min(0.34, 1.25 / petals) * rng.uniform(0.95, 1.2)
    parts = []
    for k in range(petals):
        turn = 2 * np.pi * k / petals + rng.normal(0, 0.06)
        x, y = 0.58 * np.cos(turn), 0.58 * np.sin(turn)
        tint = _shade(colour, rng.uniform(0.88, 1.04))
        parts.append(Part(ellipse(x, y, 0.4, wide, turn=turn), tint, 0.3, 0.03))
    heart = rng.uniform(0.2, 0.32)
    return [
        *parts,
        Part(ellipse(0, 0, heart, heart), _pick(rng, ((0.88, 0.66, 0.14), (0.42, 0.28, 0.16))), 0.5, 0.16),
    ]


def beetle(rng: np.random.Generator) -> list[Part]:
    """Two glossy wing cases with dots, and a dark head."""
    colour, plump = _pick(rng, WING_COLOURS, 0.05), rng.uniform(0.62, 0.82)
    dark: Colour = (0.09, 0.08, 0.09)
    parts = [
        Part(ellipse(0, -0.66, 0.42, 0.32), dark, 0.5, 0),
        Part(ellipse(0, 0.12, plump, 0.86), colour, 0.75, 0.02),
        Part(np.array([[0.0, -0.74], [0.0, 0.98]]), dark, 0, 0, 0.05, 1),
    ]
    dots = dark if sum(colour) > 0.9 else _pick(rng, ((0.85, 0.75, 0.3),))
    for _ in range(int(rng.integers(2, 5))):
        x, y, r = rng.uniform(0.15, 0.55), rng.uniform(-0.45, 0.75), rng.uniform(0.09, 0.16)
        parts += [Part(ellipse(side * x, y, r, r), dots, 0, 0, 0, 1) for side in (-1, 1)]
    return parts


def acorn(rng: np.random.Generator) -> list[Part]:
    """A smooth nut in a scaly cup with a stalk."""
    colour, wide = _pick(rng, NUT_COLOURS, 0.04), rng.uniform(0.44, 0.58)
    t = np.linspace(0, np.pi, 30)
    nut = np.stack([wide * np.cos(t), -0.2 + 1.1 * np.sin(t) ** rng.uniform(0.8, 1.2)], axis=1)
    tip = np.array([[0.05, 0.86], [0.0, 1.0], [-0.05, 0.86]])
    t = np.linspace(np.pi, 2 * np.pi, 24)
    brim = np.stack(
        [np.linspace(wide + 0.1, -wide - 0.1, 12), 0.1 * np.sin(np.linspace(0, np.pi, 12)) - 0.2], axis=1
    )
    cup = np.concatenate([np.stack([(wide + 0.1) * np.cos(t), -0.2 + 0.56 * np.sin(t)], axis=1), brim])
    bark = _pick(rng, BARK_COLOURS, 0.04)
    scales = [
        Part(np.array([[x, -0.8], [x + slope, -0.05]]), _shade(bark, 1.5), 0, 0, 0.035, 3)
        for slope in (-0.4, 0.4)
        for x in np.linspace(-0.9, 0.9, 9)
    ]
    stalk = np.array([[0.0, -0.7], [rng.uniform(-0.15, 0.15), -1.0]])
    return [
        Part(stalk, bark, 0, 0, 0.12),
        Part(tip, colour, 0),
        Part(nut, colour, 0.7, 0.03),
        Part(cup, bark, 0.5),
        *scales,
    ]


SPECIES: dict[str, Species] = {
    species.name: species
    for species in (
        Species("leaf", "A pointed leaf with veins, stalk included. Lobed leaves are something else.", leaf),
        Species("mushroom", "A mushroom: cap and stem together.", mushroom),
        Species("flower", "A whole flower: all petals and its heart. Single petals do not count.", flower),
        Species("beetle", "A beetle: wing cases and head. Spotted pebbles are something else.", beetle),
        Species("acorn", "An acorn: nut, cup and stalk together. Bare nuts are something else.", acorn),
    )
}


def _pebble(rng: np.random.Generator) -> list[Part]:
    t = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    radius = 1 + sum(rng.normal(0, 0.09) * np.cos(k * t + rng.uniform(0, 6.3)) for k in (1, 2, 3))
    flat = rng.uniform(0.6, 0.95)
    parts = [
        Part(
            np.stack([radius * np.cos(t) * flat, radius * np.sin(t)], axis=1) * 0.85,
            _pick(rng, STONE_COLOURS),
            0.6,
            0.1,
        )
    ]
    if rng.random() < 0.5:  # spotted like a beetle
        for _ in range(int(rng.integers(3, 8))):
            x, y, r = rng.uniform(-0.5, 0.5), rng.uniform(-0.6, 0.6), rng.uniform(0.06, 0.14)
            parts.append(Part(ellipse(x, y, r, r), (0.16, 0.15, 0.15), 0, 0, 0, 0))
    return parts


def _lobed_leaf(rng: np.random.Generator) -> list[Part]:
    colour, bend = _pick(rng, LEAF_COLOURS), rng.uniform(-0.2, 0.2)
    body = _blade(
        _leaf_width(rng, rng.uniform(0.55, 0.7), int(rng.integers(3, 5)), rng.uniform(0.4, 0.55)), bend
    )
    t = np.linspace(0, 1, 12)
    rib = np.stack([bend * np.sin(np.pi * t), 1 - 2 * t], axis=1)
    return [Part(body, colour, 0.25, 0.1), Part(rib, _shade(colour, 1.25), 0, 0, 0.05, 0)]


def _petal(rng: np.random.Generator) -> list[Part]:
    return [Part(ellipse(0, 0, 0.9, rng.uniform(0.4, 0.55)), _pick(rng, PETAL_COLOURS, 0.04), 0.35, 0.03)]


def _bare_nut(rng: np.random.Generator) -> list[Part]:
    parts = acorn(rng)
    return [parts[1], parts[2]]


def _twig(rng: np.random.Generator) -> list[Part]:
    x = np.linspace(-1, 1, 8)
    stem = np.stack([x, np.cumsum(rng.normal(0, 0.07, 8))], axis=1)
    fork = stem[5] + np.array([[0.0, 0.0], [0.3, rng.choice([-0.35, 0.35])]])
    bark = _pick(rng, BARK_COLOURS)
    return [Part(fork, bark, 0, 0, 0.07), Part(stem, bark, 0.15, 0.1, rng.uniform(0.09, 0.15))]


def _grass(rng: np.random.Generator) -> list[Part]:
    t = np.linspace(0, 1, 16)
    width = rng.uniform(0.035, 0.07) * (1 - t) ** 0.6
    return [Part(_blade(width, rng.uniform(-0.5, 0.5)), _pick(rng, GRASS_COLOURS), 0.1, 0.04)]


LOOKALIKES: tuple[Callable[[np.random.Generator], list[Part]], ...] = (
    _pebble,
    _lobed_leaf,
    _petal,
    _bare_nut,
    _twig,
)
"""Things that are nobody's category and resemble one."""

OCCLUDERS: tuple[Callable[[np.random.Generator], list[Part]], ...] = (_grass,)
"""Thin things that grow over everything and cut outlines in two."""
