"""Predictions of another model, uploaded in place of training and detecting here; and the choice of K_pa."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.parsers import JSONParser, MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from annotation_site import enqueue
from annotation_site.api.v1.projects import ProjectSerializer
from annotation_site.api.v1.schema import operation
from annotation_site.api.v1.serializers import Body
from annotation_site.api.v1.views import ProjectView
from annotation_site.catalog.choosing import choose_k_pa
from annotation_site.catalog.models import OfferedPredictions, Project, StageRun
from annotation_site.catalog.offering import (
    COMPUTED_BY,
    Offer,
    offer_predictions,
    offered,
    withdraw_offer,
)
from annotation_site.catalog.rounds import current_round

FORM = "multipart/form-data"


class OfferedSerializer(serializers.ModelSerializer[OfferedPredictions]):
    """Uploaded files that wait for a worker; the detect stage tells how far they are taken in."""

    class Meta:
        model = OfferedPredictions
        fields = (
            "results",
            "features",
            "images",
            "computed_by",
            "replaces",
            "size",
            "offered_at",
            "begun_at",
        )


class PredictionsSerializer(serializers.Serializer[Any]):
    """What waits to be the round's predictions."""

    offered = OfferedSerializer(allow_null=True)


@extend_schema_field({"type": "string", "format": "binary", "minLength": 1})
class Upload(serializers.FileField):
    """The bytes of a file; by itself drf-spectacular tells of its address, as in a reply."""


class PredictionsForm(serializers.Serializer[Any]):
    """Files of predictions."""

    results = Upload(help_text="COCO results: image_id, category_id, segmentation, score.")
    features = Upload(
        required=False, help_text="A .npy whose row i belongs to entry i; else they are computed."
    )
    images = Upload(required=False, help_text="A COCO file that says which file names the image ids mean.")
    computed_by = serializers.ChoiceField(choices=list(COMPUTED_BY), default="auto")
    replace = serializers.BooleanField(
        default=False, help_text="In the place of the round's predictions and all that rests on them."
    )


class ThresholdBody(Body):
    """Clusters of a lower mean score are split without asking; null leaves it to the calibration."""

    k_pa = serializers.FloatField(min_value=0, max_value=1, allow_null=True)


class Predictions(ProjectView):
    parser_classes = (MultiPartParser, JSONParser)

    @operation("read_predictions", "predictions", gives=PredictionsSerializer)
    def get(self, request: Request, slug: str) -> Response:  # noqa: ARG002
        """Tell which uploaded predictions wait to be taken in."""
        return Response(_told(self.project))

    @operation(
        "upload_predictions",
        "predictions",
        body={FORM: PredictionsForm},
        gives=PredictionsSerializer,
        status=HTTPStatus.ACCEPTED,
    )
    def post(self, request: Request, slug: str) -> Response:  # noqa: ARG002
        """Upload predictions as COCO results; workers take them in, cluster them and calibrate."""
        said = self.body(PredictionsForm)
        replace = said.pop("replace")
        assert isinstance(request.user, User)
        offer_predictions(
            project=self.project, offer=Offer(**said), replace=replace, by=request.user, at=timezone.now()
        )
        enqueue.run_pipeline(self.project, until=StageRun.Stage.CALIBRATE)
        return Response(_told(self.project), status=HTTPStatus.ACCEPTED)

    @operation("withdraw_predictions", "predictions")
    def delete(self, request: Request, slug: str) -> Response:  # noqa: ARG002
        """Forget uploaded predictions that are not taken in yet; workers leave the round. Safe to repeat."""
        withdraw_offer(current_round(self.project))
        return Response(status=HTTPStatus.NO_CONTENT)


class Threshold(ProjectView):
    @operation("choose_threshold", "predictions", body=ThresholdBody, gives=ProjectSerializer)
    def put(self, request: Request, slug: str) -> Response:  # noqa: ARG002
        """Choose K_pa; of a round that is open it counts from the next one on."""
        choose_k_pa(project=self.project, **self.body(ThresholdBody))
        self.project.refresh_from_db()
        return Response(ProjectSerializer(self.project).data)


def _told(project: Project) -> Any:
    return PredictionsSerializer({"offered": offered(current_round(project))}).data
