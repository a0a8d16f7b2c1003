"""Forms of the model page: a detector with its options, predictions to upload, a K_pa."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.validators import RegexValidator
from django.utils.translation import gettext_lazy as _

from annotation_site.catalog.detector_options import DEVICES, NAMED_WEIGHTS
from annotation_site.catalog.models import Project
from annotation_site.catalog.offering import COMPUTED_BY, Offer
from pipeline.detection import DETECTORS

BATCH = {"train_batch": "train", "detect_batch": "detect"}
"""Field -> the section of the options that its batch size stands in."""


class DetectorForm(forms.Form):
    """The detector and the options that most people look for; others of the project stay as they are."""

    detector = forms.ChoiceField(choices=[(name, name) for name in DETECTORS])
    iterations = forms.IntegerField(
        min_value=1, required=False, label=_("Iterations"), help_text=_("steps of the training")
    )
    learning_rate = forms.FloatField(min_value=0, required=False, label=_("Learning rate"))
    short_side = forms.IntegerField(
        min_value=32, required=False, label=_("Short side"), help_text=_("pixels that images are resized to")
    )
    weights = forms.ChoiceField(
        choices=[("", _("by itself")), *((name, name) for name in NAMED_WEIGHTS)],
        required=False,
        label=_("Starts from"),
    )
    max_masks = forms.IntegerField(
        min_value=1, required=False, label=_("Most masks"), help_text=_("of an image, when it predicts")
    )
    checkpoint_every = forms.IntegerField(
        min_value=1, required=False, label=_("Checkpoint every"), help_text=_("iterations")
    )
    train_batch = forms.IntegerField(min_value=1, required=False, label=_("Images of a training step"))
    detect_batch = forms.IntegerField(min_value=1, required=False, label=_("Images predicted together"))
    device = forms.CharField(
        max_length=20,
        required=False,
        label=_("Device"),
        help_text=_("cpu, cuda, cuda:1"),
        validators=[RegexValidator(DEVICES, _("auto, cpu, cuda or cuda:1."))],
    )
    threads = forms.IntegerField(min_value=1, required=False, label=_("CPU threads"))
    loaders = forms.IntegerField(min_value=1, required=False, label=_("Threads that decode images"))

    FIRST = ("iterations", "learning_rate", "short_side", "weights", "max_masks")
    PLAIN = (*FIRST, "checkpoint_every", "device", "threads", "loaders")

    def __init__(self, project: Project, data: Any = None) -> None:
        super().__init__(data, initial=_shown(project))
        self.stored: Mapping[str, Any] = project.detector_options
        kept = self.stored.get("weights")
        if kept and kept not in NAMED_WEIGHTS:  # a file that the command line was given
            self.fields["weights"].choices.append((kept, kept))  # type: ignore[attr-defined]
        for name in ("iterations", "learning_rate", "short_side", "max_masks"):
            self.fields[name].widget.attrs["placeholder"] = _("by itself")
        self.fields["learning_rate"].widget.attrs["step"] = "any"

    @property
    def first(self) -> list[Any]:
        """The fields that are always shown."""
        return [self[name] for name in self.FIRST]

    @property
    def further(self) -> list[Any]:
        """The others."""
        return [self[name] for name in self.fields if name not in (*self.FIRST, "detector")]

    def options(self) -> dict[str, Any]:
        """The project's options with what was filled in, and without what was emptied."""
        said = self.cleaned_data
        options = {
            name: value for name, value in self.stored.items() if name not in (*self.PLAIN, "batch_size")
        }
        options |= {name: said[name] for name in self.PLAIN if said[name] not in (None, "")}
        for field, section in BATCH.items():
            own = {k: v for k, v in options.pop(section, {}).items() if k != "batch_size"}
            own |= {} if said[field] is None else {"batch_size": said[field]}
            options |= {section: own} if own else {}
        return options


def _shown(project: Project) -> dict[str, Any]:
    options = project.detector_options
    shown = {name: options.get(name) for name in DetectorForm.PLAIN}
    for field, section in BATCH.items():
        shown[field] = options.get(section, {}).get("batch_size", options.get("batch_size"))
    return {**shown, "detector": project.detector}


class OfferForm(forms.Form):
    """Predictions of any other model."""

    results = forms.FileField(
        label=_("Predictions"), help_text=_("COCO results: image_id, category_id, segmentation, score")
    )
    features = forms.FileField(
        required=False,
        label=_("Feature vectors"),
        help_text=_("optional .npy, row i of entry i; computed from the images when left out"),
    )
    images = forms.FileField(
        required=False,
        label=_("Names of the images"),
        help_text=_("optional COCO file, when the image ids are not those that were imported"),
    )
    computed_by = forms.ChoiceField(
        choices=[(name, name if name != "auto" else _("the best that is installed")) for name in COMPUTED_BY],
        required=False,
        label=_("Features computed by"),
    )
    replace = forms.BooleanField(
        required=False, label=_("Replace the round’s predictions, its trees and its calibration")
    )

    def offer(self) -> Offer:
        """What was uploaded."""
        said = self.cleaned_data
        return Offer(said["results"], said["features"], said["images"], said["computed_by"] or "auto")


class ThresholdForm(forms.Form):
    """A K_pa; empty leaves it to the calibration."""

    k_pa = forms.FloatField(min_value=0, max_value=1, required=False)
