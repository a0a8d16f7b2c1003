"""Figures as people read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isnan

from django import template

from annotation_site.catalog.models import StageRun

register = template.Library()

SPARKS = 24
"""Points of a line as small as a word."""
UNBROKEN = "\N{NO-BREAK SPACE}"
"""Between a number and its unit."""


@register.filter
def thousands(value: float | None) -> str:
    """12480 -> "12,480"; nothing known -> an en dash."""
    return "–" if value is None else f"{value:,.0f}"


@register.filter
def percent(value: float | None) -> str:
    """0.853 -> "85.3 %"; the share of nothing, NaN, is not known."""
    return "–" if value is None or isnan(value) else f"{100 * value:.1f}{UNBROKEN}%"


@register.filter
def decimals(value: float | None, places: int = 2) -> str:
    """0.4567 -> "0.46"."""
    return "–" if value is None else f"{value:,.{places}f}"


@register.filter
def hours(seconds: float | None) -> str:
    """Seconds as a person says them: "48 s", "12 min", "3.4 h"."""
    if seconds is None:
        return "–"
    if seconds < 90:
        return f"{seconds:.0f}{UNBROKEN}s"
    return f"{seconds / 60:.0f}{UNBROKEN}min" if seconds < 5400 else f"{seconds / 3600:,.1f}{UNBROKEN}h"


@register.filter
def share_of(part: float, whole: float) -> float:
    """`part` of `whole` in per cent, 0 for an empty whole; for widths."""
    return round(100 * part / whole, 3) if whole else 0.0


@register.filter
def parted(text: str) -> list[str]:
    """ "a|b" -> ["a", "b"]; for the columns of a table."""
    return text.split("|")


TONES = {
    "accept": "accept", "done": "accept", "active": "accept", "approved": "accept",
    "delivered": "accept",
    "reject": "reject", "failed": "reject", "stopped": "reject",
    "split": "split",
    "open": "open", "running": "open", "published": "open",
    "paused": "warn", "probation": "warn", "archived": "warn",
}  # fmt: skip


@register.filter
def tone(state: str) -> str:
    """The badge class of a state or verdict; none for those that only wait."""
    return f"is-{TONES[state]}" if state in TONES else ""


@register.filter
def is_spared(run: StageRun, runs: Sequence[StageRun]) -> bool:
    """Whether a round does without the stage: predictions that were uploaded need no training."""
    if run.stage != StageRun.Stage.TRAIN or run.state != StageRun.State.WAITING:
        return False
    return any(
        other.stage == StageRun.Stage.DETECT and other.state != StageRun.State.WAITING for other in runs
    )


@register.filter
def add_floats(left: float | str, right: float | str) -> str:
    """The sum with a decimal point in every language; for positions in drawings."""
    return f"{float(left) + float(right):.3f}"


@register.filter
def sparkline(values: Sequence[float]) -> str:
    """SVG path data of a line through values, 0 at the bottom, in a box of 100 by 20; nothing for none."""
    if not values or not max(values):
        return ""
    last = max(1, min(SPARKS, len(values)) - 1)
    shown = [values[round(i * (len(values) - 1) / last)] for i in range(last + 1)]
    step, highest = 100 / last, max(shown)
    return "M" + "L".join(f"{i * step:.1f} {19 - 18 * value / highest:.1f}" for i, value in enumerate(shown))


@register.filter
def seconds(milliseconds: float | None) -> str:
    """1423 -> "1.4"."""
    return "–" if milliseconds is None else f"{milliseconds / 1000:.1f}"


@register.filter
def called(name: str, names: Mapping[str, str]) -> str:
    """What something is called for people; itself where it has no other name."""
    return names.get(name, name)
