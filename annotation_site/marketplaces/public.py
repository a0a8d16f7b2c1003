"""The addresses of this site that marketplaces are given."""

from __future__ import annotations

from urllib.parse import urlsplit

from django.conf import settings
from django.urls import reverse

from annotation_site.marketplaces.models import Listing
from annotation_site.marketplaces.seam import NotConfigured


def arrival_url(listing: Listing) -> str:
    """Where a marketplace sends, or frames, whoever takes a place of a listing.

    Raises
    ------
    NotConfigured
        When the site does not know its own name.
    """
    return public_url(reverse("pages:arrive", args=[listing.provider, listing.key]))


def public_url(path: str) -> str:
    """A path of this site as others reach it. Raises NotConfigured."""
    if not settings.PUBLIC_URL:
        raise NotConfigured("Set PUBLIC_URL to the address at which workers reach this site.")
    return f"{settings.PUBLIC_URL.rstrip('/')}{path}"


def is_secure() -> bool:
    """Whether the public address is one that browsers take for safe, as marketplaces demand."""
    return urlsplit(str(settings.PUBLIC_URL)).scheme == "https"
