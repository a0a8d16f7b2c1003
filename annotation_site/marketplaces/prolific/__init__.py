"""Prolific: people come by a link that carries their ids, and go back with a code that says how it ended."""

from annotation_site.marketplaces.prolific.marketplace import Prolific

__all__ = ["Prolific"]
