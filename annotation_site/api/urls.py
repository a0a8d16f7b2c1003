"""Routes of the HTTP API: what the verify page calls, what programs call, and what describes both."""

from __future__ import annotations

from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView

from annotation_site.api import docs, items, token_page
from annotation_site.api.v1 import urls as v1

app_name = "api"
urlpatterns = [
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", docs.docs, name="docs"),
    path("api/items/<uuid:key>/answer", items.Answer.as_view(), name="answer"),
    path("api/items/<uuid:key>/undo", items.Undo.as_view(), name="undo"),
    path("api/v1/", include(v1.urlpatterns)),
    path("account/tokens/", token_page.tokens, name="tokens"),
    path("account/tokens/<int:pk>/revoke/", token_page.revoke, name="revoke-token"),
]
