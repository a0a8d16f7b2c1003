"""A project's detector options, one JSON object for training and detection, with a command's own on top.

    {"device": "cpu", "iterations": 400, "train": {"batch_size": 4}, "detect": {"batch_size": 8}}

A name stands for whichever stage knows it; those under "train" or "detect" are for that stage alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

from django.db import connection

from annotation_site.catalog.models import Round, StageRun
from pipeline.detection import DetectionError, FitOptions, Hardware, InvalidOption, PredictOptions

Options = TypeVar("Options", FitOptions, PredictOptions)

SECTIONS: Mapping[type, str] = {FitOptions: "train", PredictOptions: "detect"}
NAMED_WEIGHTS = ("auto", "coco", "imagenet", "none")
"""What a training may start from that is no file of the server."""
DEVICES = r"^(auto|cpu|mps|cuda(:[0-9]{1,3})?)$"
"""A pattern of what may be asked for as a device from outside."""
KEEP = "UPDATE catalog_stagerun SET detail = detail || %s::jsonb WHERE round_id = %s AND stage = %s"
MACHINE = {field.name for field in fields(Hardware)}


class OptionsDiffer(Exception):
    """A stage that is half done by other options."""


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


def check_options(options: object, *, feature: str | None = None) -> None:
    """Raise InvalidOption unless both stages could be carried out by a project's `detector_options`.

    With a `feature`, unless trees could be made of it, too.
    """
    if not isinstance(options, Mapping):
        raise InvalidOption('Detector options are a JSON object, as {"iterations": 400}.')
    for section in SECTIONS.values():
        if not isinstance(options.get(section, {}), Mapping):
            raise InvalidOption(f'"{section}" holds the options of that stage, by name.')
    detector_options(FitOptions, options)
    kept = detector_options(PredictOptions, options).features
    if feature is not None and feature not in kept:
        raise InvalidOption(
            f"Trees are made of {feature} features, of which the detector would keep none: give features "
            f"{[*kept, feature]}, or choose another feature."
        )


def merged_options(stored: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """A project's options with those given set among them, also in the stages' sections; None forgets one."""
    merged: dict[str, Any] = {**stored, **given}
    for section in SECTIONS.values():
        said = given.get(section)
        if isinstance(said, Mapping):
            merged[section] = _without_none({**stored.get(section, {}), **said}) or None
    return _without_none(merged)


def _without_none(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def check_no_further_file(options: Mapping[str, Any], *, stored: Mapping[str, Any]) -> None:
    """Raise InvalidOption where options name a file of the server that those `stored` do not.

    Who may change a project from outside may not have its training read whatever lies on the server, such as
    the models of other projects.
    """
    if further := _files(options) - _files(stored):
        raise InvalidOption(
            f"{', '.join(sorted(further))}: files of the server are chosen on its command line. Weights are "
            f"one of {', '.join(NAMED_WEIGHTS)} here."
        )


def agreed_options(
    round_: Round, stage: StageRun.Stage, given: Mapping[str, Any], *, begun: bool
) -> dict[str, Any]:
    """The options by which a stage is carried out, by whatever process: those it was begun with, and `given`.

    `kept_options` keeps them for the next process.

    Raises
    ------
    OptionsDiffer
        When part of the work is done (`begun`) by other options than those given now.
    """
    kept, wanted = _kept(round_, stage), _wanted(stage, given)
    if begun and any(kept.get(name) != value for name, value in wanted.items()):
        raise OptionsDiffer(
            f"{stage} of {round_.project.slug} was begun with the options {kept or 'of the project'}, "
            f"not {wanted}: leave them out to go on, or start afresh with --force."
        )
    return {**kept, **given}


@contextmanager
def kept_options(round_: Round, stage: StageRun.Stage, given: Mapping[str, Any]) -> Iterator[None]:
    """Keep the options of a stage for whoever goes on with it, unless the detector will not have them.

    Where the numbers are crunched is each process's own affair and not kept.
    """
    before, wanted = _kept(round_, stage), _wanted(stage, given)
    if not wanted:
        yield
        return
    _keep(round_, stage, {**before, **wanted})
    try:
        yield
    except (DetectionError, InvalidOption):
        _keep(round_, stage, before)
        raise


def _files(options: Mapping[str, Any]) -> set[str]:
    every = (options, *(options.get(section, {}) for section in SECTIONS.values()))
    named = {f"start_from {one['start_from']}" for one in every if one.get("start_from") is not None}
    weights = {str(one.get("weights", "auto")) for one in every}
    return named | {f"weights {one}" for one in weights - set(NAMED_WEIGHTS)}


def _kept(round_: Round, stage: StageRun.Stage) -> dict[str, Any]:
    run = StageRun.objects.filter(round=round_, stage=stage).first()
    return run.detail.get("options", {}) if run else {}


def _wanted(stage: StageRun.Stage, given: Mapping[str, Any]) -> dict[str, Any]:
    own = MACHINE | ({"batch_size"} if stage == StageRun.Stage.DETECT else set())
    return {name: _plain(value) for name, value in given.items() if name not in own}


def _keep(round_: Round, stage: StageRun.Stage, options: Mapping[str, Any]) -> None:
    with connection.cursor() as cursor:  # One statement: the stage's Reporter writes to the same column.
        cursor.execute(KEEP, [json.dumps({"options": options}), round_.pk, stage])


def _plain(value: Any) -> Any:
    """An option as JSON has it."""
    if isinstance(value, Path):
        return str(value)
    return list(value) if isinstance(value, tuple) else value


def _names(kind: type) -> set[str]:
    return {field.name for field in (*fields(kind), *fields(Hardware))} - {"hardware"}
