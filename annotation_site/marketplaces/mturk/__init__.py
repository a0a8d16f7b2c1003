"""Amazon Mechanical Turk's requester API (2017-01-17) with ExternalQuestion."""

from annotation_site.marketplaces.mturk.marketplace import MTurk

__all__ = ["MTurk"]
