"""The colours of the design system can be read by day and by night: WCAG 2.2 AA."""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path

import pytest
from django.conf import settings

CSS = Path(settings.BASE_DIR, "static/css/maskgrove.css").read_text()
TOKENS = dict(re.findall(r"--([\w-]+): light-dark\((#\w{6}, #\w{6})\);", CSS))

TONES = ("accept", "reject", "split", "open", "warn")
TEXT_ON = [
    *product(("ink", "ink-soft", "ink-faint"), ("ground", "surface", "raised", "sunken")),
    *product(("accent", *TONES), ("ground", "surface")),
    *[(tone, f"{tone}-soft") for tone in TONES],
    *[(ink, f"{tone}-soft") for ink in ("ink", "ink-soft") for tone in ("accept", "reject", "open", "warn")],
    ("accent-strong", "accent-soft"),
    ("on-accent", "accent"), ("on-accent", "accent-strong"), ("on-accept", "accept"), ("on-reject", "reject"),
    ("ground", "ink"),
]  # fmt: skip
SHAPES_ON = [("line-strong", "surface"), ("focus", "ground"), ("focus", "surface"), ("accent", "sunken")]


def luminance(colour: str) -> float:
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first: str, second: str) -> float:
    low, high = sorted([luminance(first), luminance(second)])
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [0, 1], ids=["day", "night"])
@pytest.mark.parametrize(
    ("ink", "ground", "least"),
    [(*pair, 4.5) for pair in TEXT_ON] + [(*pair, 3.0) for pair in SHAPES_ON],
)
def test_colours_stand_out_from_what_they_are_on(ink, ground, least, theme):
    first, second = (TOKENS[name].split(", ")[theme] for name in (ink, ground))
    assert contrast(first, second) >= least
