"""Routes of the HTTP API."""

from __future__ import annotations

from django.urls import path
from drf_spectacular.views import SpectacularAPIView

from annotation_site.api import items

app_name = "api"
urlpatterns = [
    path("schema/", SpectacularAPIView.as_view(), name="schema"),
    path("items/<uuid:key>/answer", items.Answer.as_view(), name="answer"),
    path("items/<uuid:key>/undo", items.Undo.as_view(), name="undo"),
]
