"""Painting things and ground: antialiased sprites, shading, shadow, and the light of a whole scene."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from pipeline.scenes.shapes import Part, Points

Pixels = NDArray[np.float32]

OVERSAMPLING = 3
GROUNDS = ((0.34, 0.40, 0.22), (0.42, 0.34, 0.24), (0.62, 0.54, 0.40), (0.28, 0.32, 0.24), (0.50, 0.48, 0.42))


@dataclass(frozen=True, slots=True)
class Sprite:
    """A painted thing.

    Attributes
    ----------
    colour : (h, w, 3) float32 in [0, 1], multiplied by alpha
    alpha : (h, w) float32 in [0, 1], how much of each pixel it covers
    """

    colour: Pixels
    alpha: Pixels


@dataclass(frozen=True, slots=True)
class Light:
    """The light of one scene: where it comes from (unit vector on the page), and how it tints.

    Attributes
    ----------
    direction : x, y towards the light
    tint : factor of red, green and blue
    falloff : how much darker the far side is than the near one
    dapple : strength of patches of shade
    noise : standard deviation of the camera's noise
    """

    direction: tuple[float, float]
    tint: tuple[float, float, float]
    falloff: float
    dapple: float
    noise: float

    @classmethod
    def random(cls, rng: np.random.Generator) -> Light:
        """Any light between a dull morning and a low evening sun."""
        angle, gain, warmth = rng.uniform(0, 2 * np.pi), rng.uniform(0.72, 1.18), rng.normal(0, 0.07)
        return cls(
            direction=(float(np.cos(angle)), float(np.sin(angle))),
            tint=(gain * (1 + warmth), gain, gain * (1 - warmth)),
            falloff=rng.uniform(0, 0.4),
            dapple=rng.uniform(0, 0.4),
            noise=rng.uniform(0.004, 0.02),
        )


def smooth_noise(height: int, width: int, cells: int, rng: np.random.Generator) -> Pixels:
    """(height, width) float32 noise of about unit strength, `cells` blobs wide and high."""
    coarse = rng.standard_normal((cells + 1, cells + 1)).astype(np.float32)
    return np.asarray(
        Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC), dtype=np.float32
    )


def paint_thing(
    parts: Sequence[Part], *, diameter: float, turn: float, light: Light, rng: np.random.Generator
) -> Sprite:
    """Paint a thing `diameter` pixels across and turned by `turn` radians, on nothing."""
    side = int(np.ceil(diameter * 1.1)) + 4
    fine = side * OVERSAMPLING
    scale = diameter / 2 * OVERSAMPLING
    colour = np.zeros((fine, fine, 3), dtype=np.float32)
    alpha = np.zeros((fine, fine), dtype=np.float32)
    covers: list[Image.Image] = []
    for part in parts:
        outline = _turned(part.outline, turn) * scale + fine / 2
        cover = _cover(outline, stroke=part.stroke * scale, side=fine)
        if part.inside is not None:
            cover = ImageChops.darker(cover, covers[part.inside])
        covers.append(cover)
        _lay(colour, alpha, cover, part, light=light, rng=rng)
    return Sprite(_shrink(colour), _shrink(alpha))


def _turned(points: Points, turn: float) -> Points:
    cos, sin = np.cos(turn), np.sin(turn)
    turned: Points = points @ np.array([[cos, sin], [-sin, cos]])
    return turned


def _cover(outline: Points, *, stroke: float, side: int) -> Image.Image:
    """A grey image of 0 and 255: the pixels that a polygon or a stroke covers."""
    canvas = Image.new("L", (side, side))
    corners = [(float(x), float(y)) for x, y in outline]
    if stroke:
        ImageDraw.Draw(canvas).line(corners, fill=255, width=max(1, round(stroke)), joint="curve")
    else:
        ImageDraw.Draw(canvas).polygon(corners, fill=255)
    return canvas


def _lay(
    colour: Pixels, alpha: Pixels, cover: Image.Image, part: Part, *, light: Light, rng: np.random.Generator
) -> None:
    """Paint one part over `colour` and `alpha`, in place, within its bounding box."""
    bounds = cover.getbbox()
    if bounds is None:
        return
    box = np.s_[bounds[1] : bounds[3], bounds[0] : bounds[2]]
    solid = np.asarray(cover.crop(bounds)) > 0
    shade = np.ones(solid.shape, dtype=np.float32)
    if part.relief:
        shade += part.relief * _dome(shade.shape, light)
    if part.grain:
        shade += part.grain * smooth_noise(len(solid), solid[0].size, 9, rng)
    tint = np.array(part.colour, dtype=np.float32)
    colour[box][solid] = np.clip(shade[solid][:, None] * tint, 0, 1)
    alpha[box][solid] = 1


def _dome(shape: tuple[int, ...], light: Light) -> Pixels:
    """Light on a dome over a box: brighter towards the light, darker at the rim."""
    y = np.linspace(-1, 1, shape[0], dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, shape[1], dtype=np.float32)[None, :]
    lit = 0.9 * (x * light.direction[0] + y * light.direction[1]) - 0.5 * (x * x + y * y) + 0.25
    return lit.astype(np.float32, copy=False)


def _shrink(fine: Pixels) -> Pixels:
    """The mean of each OVERSAMPLING x OVERSAMPLING block."""
    steps = range(OVERSAMPLING)
    total = sum(fine[y::OVERSAMPLING, x::OVERSAMPLING] for y in steps for x in steps)
    return np.asarray(total / OVERSAMPLING**2, dtype=np.float32)


def paint_ground(height: int, width: int, rng: np.random.Generator) -> Pixels:
    """(height, width, 3) float32: soil, moss, sand or stone with patches, grain and litter."""
    base = np.array(GROUNDS[rng.integers(len(GROUNDS))], dtype=np.float32)
    other = np.array(GROUNDS[rng.integers(len(GROUNDS))], dtype=np.float32)
    blend = np.clip(0.3 + 0.35 * smooth_noise(height, width, 3, rng), 0, 0.8)[:, :, None]
    ground = base * (1 - blend) + other * blend
    tone = sum(0.05 * smooth_noise(height, width, cells, rng) for cells in (8, 24, 80))
    ground = ground * (1 + np.asarray(tone, dtype=np.float32))[:, :, None]
    return _strewn(ground.astype(np.float32), rng)


def _strewn(ground: Pixels, rng: np.random.Generator) -> Pixels:
    """Short strokes of lighter and darker litter on the ground."""
    height, width = ground.shape[:2]
    litter = Image.new("L", (width * 2, height * 2), 128)
    draw = ImageDraw.Draw(litter)
    for _ in range(height * width // 220):
        x, y, turn = rng.uniform(0, 2 * width), rng.uniform(0, 2 * height), rng.uniform(0, 2 * np.pi)
        reach = rng.uniform(3, 14)
        draw.line(
            (x, y, x + reach * np.cos(turn), y + reach * np.sin(turn)),
            fill=int(rng.integers(84, 176)),
            width=2,
        )
    strokes = np.asarray(litter.resize((width, height), Image.Resampling.BOX), dtype=np.float32)
    return np.asarray(ground * (strokes / 128)[:, :, None], dtype=np.float32)


def place(canvas: Pixels, sprite: Sprite, *, top: int, left: int, light: Light) -> None:
    """Put a sprite and its shadow on the canvas, in place."""
    offset = max(1, sprite.alpha.shape[0] // 22)
    shadow = 1 - 0.45 * _blurred(sprite.alpha, radius=max(1.0, offset))
    shift_x, shift_y = (round(-1.6 * offset * part) for part in light.direction)
    on_canvas, within = overlap(canvas.shape, shadow.shape, top + shift_y, left + shift_x)
    canvas[on_canvas] *= shadow[within][:, :, None]
    on_canvas, within = overlap(canvas.shape, sprite.alpha.shape, top, left)
    alpha = sprite.alpha[within]
    canvas[on_canvas] = canvas[on_canvas] * (1 - alpha)[:, :, None] + sprite.colour[within]


def _blurred(alpha: Pixels, *, radius: float) -> Pixels:
    soft = Image.fromarray((alpha * 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(radius))
    return np.asarray(soft, dtype=np.float32) / np.float32(255)


def overlap(
    canvas: tuple[int, ...], patch: tuple[int, ...], top: int, left: int
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Where a patch at (top, left) lies on a canvas, and the part of the patch that does."""
    y0, y1 = max(0, top), max(0, min(canvas[0], top + patch[0]))
    x0, x1 = max(0, left), max(0, min(canvas[1], left + patch[1]))
    y1, x1 = max(y0, y1), max(x0, x1)
    return np.s_[y0:y1, x0:x1], np.s_[y0 - top : y1 - top, x0 - left : x1 - left]


def illuminate(canvas: Pixels, light: Light, rng: np.random.Generator) -> NDArray[np.uint8]:
    """The canvas in the scene's light, with shade and noise, as (h, w, 3) uint8."""
    height, width = canvas.shape[:2]
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    slope = 1 + light.falloff * 0.5 * (x * light.direction[0] + y * light.direction[1])
    dapples = 1 - light.dapple * np.clip(smooth_noise(height, width, 4, rng), 0, 1)
    lit = canvas * (slope * dapples)[:, :, None] * np.array(light.tint, dtype=np.float32)
    lit += light.noise * rng.standard_normal(lit.shape, dtype=np.float32)
    return (np.clip(lit, 0, 1) * 255 + 0.5).astype(np.uint8)
