"""What is said of addresses that lead nowhere: a problem, as of everything else."""

from __future__ import annotations

from django.http import Http404
from django.urls.converters import StringConverter
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request

from annotation_site.api.v1.views import ApiView


class Anything(StringConverter):
    """What is left of an address, line breaks included."""

    regex = r"[\s\S]*"


@extend_schema(exclude=True)
class Nowhere(ApiView):
    def admit(self, request: Request, **_places: object) -> None:
        raise Http404(f"Nothing has the address {request.path}.")
