"""Maskgrove from Python: projects, masks, trees, exports over the REST API. It needs httpx and nothing else.

with Maskgrove("https://label.example.org", token="mg_…") as site:
    for mask in site.project("facades").masks(became="accepted"):
        print(mask["image"], mask["score"])
"""

from maskgrove_client.errors import (
    ApiError,
    Conflict,
    Forbidden,
    NotFound,
    Refused,
    TooManyRequests,
    Unauthorized,
    Unreachable,
)
from maskgrove_client.project import ProjectClient
from maskgrove_client.site import Maskgrove

__all__ = [
    "ApiError",
    "Conflict",
    "Forbidden",
    "Maskgrove",
    "NotFound",
    "ProjectClient",
    "Refused",
    "TooManyRequests",
    "Unauthorized",
    "Unreachable",
]
