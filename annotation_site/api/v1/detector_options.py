"""How a project's detector is trained and predicts: every option that commands and pages know."""

from __future__ import annotations

from functools import partial

from rest_framework import serializers

from annotation_site.api.v1.serializers import Body
from annotation_site.catalog.detector_options import DEVICES, NAMED_WEIGHTS
from pipeline.predictions import FEATURE_KINDS

_Count = partial(serializers.IntegerField, required=False, allow_null=True)
_Number = partial(serializers.FloatField, required=False, allow_null=True)
_File = partial(serializers.CharField, required=False, allow_null=True, max_length=1000)


class _HardwareBody(Body):
    """Where the numbers are crunched: it changes how fast, never what is learned."""

    device = serializers.RegexField(
        DEVICES,
        required=False,
        allow_null=True,
        help_text="cpu, cuda, cuda:1, mps; auto is a CUDA GPU if the worker has one, else its CPU.",
    )
    threads = _Count(min_value=1, max_value=4096, help_text="CPU threads of the network.")
    loaders = _Count(
        min_value=1,
        max_value=4096,
        help_text="Threads that decode images ahead of it; by itself 1, on a GPU 4.",
    )
    mixed_precision = serializers.BooleanField(
        required=False, allow_null=True, help_text="Half precision where it is safe; by itself on CUDA only."
    )
    batch_size = _Count(
        min_value=1,
        max_value=4096,
        help_text="Images that pass the network together: of a training step, or of a detection.",
    )


class _FitBody(Body):
    """What a training learns, and how."""

    iterations = _Count(min_value=1, max_value=10_000_000, help_text="Steps of the training.")
    learning_rate = _Number(min_value=1e-9, max_value=9, help_text="Its peak, after warming up.")
    short_side = _Count(
        min_value=32, max_value=8192, help_text="Pixels that the shorter side of images is resized to."
    )
    seed = _Count(min_value=0, max_value=2**31 - 1, help_text="By itself it follows from the project's.")
    weights = _File(
        help_text=f"What it starts from: {', '.join(NAMED_WEIGHTS)}. Files of the server are named on its "
        "command line alone; one that was may be said again, or forgotten."
    )
    start_from = _File(
        help_text="A model file of the server that it goes on from; as with weights, none but the one there."
    )
    ignored_overlap = _Number(
        min_value=0.01,
        max_value=1,
        help_text="Share of a proposal in the box of an ignored mask from which it is no background.",
    )
    ignored_score = _Number(
        min_value=0, max_value=1, help_text="Ignored masks of a lower score count for nothing."
    )
    complete_share = _Number(
        min_value=0, max_value=0.99, help_text="Of a batch, that completely annotated images keep at least."
    )
    checkpoint_every = _Count(min_value=1, max_value=1_000_000, help_text="Iterations.")


class _PredictBody(Body):
    """What a detection keeps."""

    min_confidence = _Number(
        min_value=0,
        max_value=1,
        help_text="Predictions of a lower class score are dropped; by itself the project's confidence.",
    )
    max_masks = _Count(min_value=1, max_value=10_000, help_text="The most predictions of an image.")
    features = serializers.ListField(
        child=serializers.ChoiceField(choices=list(FEATURE_KINDS)),
        min_length=1,
        max_length=len(FEATURE_KINDS),
        required=False,
        allow_null=True,
        help_text="Kinds of feature vectors to keep; the trees' own is one of them. By itself all.",
    )


class TrainOptionsBody(_HardwareBody, _FitBody):
    """Options of the training alone."""


class DetectOptionsBody(_HardwareBody, _PredictBody):
    """Options of the detection alone."""


class DetectorOptionsBody(_HardwareBody, _FitBody, _PredictBody):
    """How the detector is trained and predicts; what null forgets is what the detector was tuned for."""

    train = TrainOptionsBody(required=False, allow_null=True, help_text="Of the training alone.")
    detect = DetectOptionsBody(required=False, allow_null=True, help_text="Of the detection alone.")
