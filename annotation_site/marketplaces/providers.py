"""The providers there are. Another one is a module beside these and a row here."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from annotation_site.marketplaces.in_house import InHouse
from annotation_site.marketplaces.models import Listing
from annotation_site.marketplaces.mturk import MTurk
from annotation_site.marketplaces.prolific import Prolific
from annotation_site.marketplaces.seam import Marketplace

PROVIDERS: Mapping[str, Callable[[str], Marketplace]] = {
    "in-house": InHouse,
    "mturk": MTurk,
    "prolific": Prolific,
}
"""Name -> what makes the marketplace of an `Environment`."""


class UnknownProvider(ValueError):
    """No provider of that name."""


def marketplace_of(listing: Listing) -> Marketplace:
    """The marketplace that a listing is on.

    Raises
    ------
    UnknownProvider
    """
    return marketplace(listing.provider, listing.environment)


def marketplace(provider: str, environment: str) -> Marketplace:
    """A provider's marketplace in an environment. Raises UnknownProvider."""
    try:
        make = PROVIDERS[provider]
    except KeyError:
        told = ", ".join(PROVIDERS)
        raise UnknownProvider(f"No provider is called {provider!r}; there are {told}.") from None
    return make(environment)
