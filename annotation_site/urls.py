"""Where each URL goes; every app brings its own list."""

from __future__ import annotations

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path

urlpatterns: list[URLPattern | URLResolver] = [
    path("django-admin/", admin.site.urls),
    path("", include("annotation_site.api.urls")),
    path("", include("annotation_site.access.urls")),
    path("", include("annotation_site.pages.urls")),
    path("", include("annotation_site.dashboards.urls")),
]
