"""What the domain refuses, as problems: 422 for what was asked, 409 for how things stand."""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus

from django.core.exceptions import RequestDataTooBig

from annotation_site.access.granting import LastOwner
from annotation_site.api.problems import Problem
from annotation_site.api.tokens import TokenRefused
from annotation_site.budget.caps import BudgetError, InvalidTerms
from annotation_site.catalog.changing import CategoriesFixed
from annotation_site.catalog.foreign_predictions import OtherPredictions
from annotation_site.catalog.import_report import ImportRefused
from annotation_site.catalog.importing import AnnotationsNeeded, ImportBusy, NothingToImport
from annotation_site.catalog.instructing import TextTooLong
from annotation_site.catalog.offering import OfferRefused
from annotation_site.catalog.projects import ProjectDiffers, ProjectRefused
from annotation_site.catalog.roles import InvalidShares
from annotation_site.catalog.stages import StageError
from annotation_site.closing.deleting import CannotDelete, NotConfirmed
from annotation_site.marketplaces.accounts import PaymentRefused
from annotation_site.marketplaces.by_hand import SubmissionRefused
from annotation_site.marketplaces.listings import ListingRefused
from annotation_site.marketplaces.messaging import CannotWrite
from annotation_site.marketplaces.paying import BonusRefused
from annotation_site.marketplaces.team import InvalidAddress
from annotation_site.people.policies import PolicyRefused
from annotation_site.people.qualification.policy import InvalidPolicy
from annotation_site.preparing.allowed import PlaceRefused
from annotation_site.preparing.buckets import BucketUnavailable
from annotation_site.preparing.imports import CannotStart
from annotation_site.preparing.uploads import UploadRefused
from annotation_site.results.export_files import UnknownFormat
from annotation_site.verification.forecasting import NothingToForecast
from annotation_site.verification.gold_review import CannotMark
from annotation_site.verification.next_round import NoNextRound
from annotation_site.verification.opening import NothingToOpen, NotOpen
from annotation_site.verification.outlooks import NothingToLookAt
from annotation_site.verification.overruling import CannotOverrule
from annotation_site.webhooks.addresses import AddressRefused
from annotation_site.webhooks.webhooks import WebhookRefused
from pipeline.coco import CocoError

UNFIT, CONFLICT = HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.CONFLICT
STATUS: Mapping[type[Exception], HTTPStatus] = {
    ProjectDiffers: CONFLICT,
    CategoriesFixed: CONFLICT,
    ProjectRefused: UNFIT,
    TextTooLong: UNFIT,
    InvalidPolicy: UNFIT,
    PolicyRefused: UNFIT,
    InvalidAddress: UNFIT,
    InvalidTerms: UNFIT,
    InvalidShares: UNFIT,
    PlaceRefused: UNFIT,
    BucketUnavailable: UNFIT,
    CannotStart: UNFIT,
    UploadRefused: UNFIT,
    UnknownFormat: UNFIT,
    AnnotationsNeeded: UNFIT,
    NothingToImport: UNFIT,
    ImportRefused: UNFIT,
    CocoError: UNFIT,
    OfferRefused: UNFIT,
    OtherPredictions: CONFLICT,
    TokenRefused: UNFIT,
    AddressRefused: UNFIT,
    WebhookRefused: UNFIT,
    ListingRefused: CONFLICT,
    SubmissionRefused: CONFLICT,
    BonusRefused: CONFLICT,
    PaymentRefused: CONFLICT,
    CannotWrite: CONFLICT,
    CannotMark: CONFLICT,
    ImportBusy: CONFLICT,
    BudgetError: CONFLICT,
    LastOwner: CONFLICT,
    CannotDelete: CONFLICT,
    NotConfirmed: UNFIT,
    StageError: CONFLICT,
    NotOpen: CONFLICT,
    NothingToOpen: CONFLICT,
    NoNextRound: CONFLICT,
    NothingToForecast: CONFLICT,
    NothingToLookAt: CONFLICT,
    CannotOverrule: CONFLICT,
    RequestDataTooBig: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    RecursionError: HTTPStatus.BAD_REQUEST,
}
"""Most special first: the first that fits counts."""


def refusal(error: Exception) -> Problem | None:
    """The problem that a refusal of the domain is, by the name of its class; None for any other exception."""
    status = next((status for kind, status in STATUS.items() if isinstance(error, kind)), None)
    if status is None:
        return None
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", type(error).__name__).lower()
    return Problem(status, name, str(error))
