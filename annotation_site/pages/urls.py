"""Pages of workers."""

from __future__ import annotations

from django.urls import path

from annotation_site.pages import photo_views, views

app_name = "pages"
urlpatterns = [
    path("join/<str:code>/", views.join, name="join"),
    path("w/<str:secret>/", views.landing, name="landing"),
    path("w/<str:secret>/start/", views.start, name="start"),
    path("w/<str:secret>/verify/", views.verify, name="verify"),
    path("crops/<uuid:key>.jpg", photo_views.crop, name="crop"),
    path("crops/<uuid:key>/whole.jpg", photo_views.whole, name="whole"),
]
