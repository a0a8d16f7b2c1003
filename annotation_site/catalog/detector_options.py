"""A project's detector options, one JSON object for training and detection, with a command's own on top.

    {"device": "cpu", "iterations": 400, "train": {"batch_size": 4}, "detect": {"batch_size": 8}}

A name stands for whichever stage knows it; those under "train" or "detect" are for that stage alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

from pipeline.detection import FitOptions, Hardware, InvalidOption, PredictOptions

Options = TypeVar("Options", FitOptions, PredictOptions)

SECTIONS: Mapping[type, str] = {FitOptions: "train", PredictOptions: "detect"}


def detector_options(kind: type[Options], stored: Mapping[str, Any], **overrides: Any) -> Options:
    """The options of a stage.

    Parameters
    ----------
    stored : the project's `detector_options`
    overrides : of the command line; None leaves what is stored

    Raises
    ------
    InvalidOption
        When a name is unknown or a value out of range.
    """
    sections = set(SECTIONS.values())
    general = {name: value for name, value in stored.items() if name not in sections}
    unknown = set(general) - _names(FitOptions) - _names(PredictOptions)
    if unknown:
        raise InvalidOption(f"Unknown detector options {sorted(unknown)}; correct them in the project.")
    chosen = {name: value for name, value in general.items() if name in _names(kind)}
    chosen |= stored.get(SECTIONS[kind], {})
    return kind.from_mapping(chosen | {name: v for name, v in overrides.items() if v is not None})


def _names(kind: type) -> set[str]:
    return {field.name for field in (*fields(kind), *fields(Hardware))} - {"hardware"}
