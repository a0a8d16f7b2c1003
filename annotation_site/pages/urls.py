"""Pages of workers."""

from __future__ import annotations

from django.urls import path

from annotation_site.pages import entering, hooks, photo_views, views, visiting

app_name = "pages"
urlpatterns = [
    path("join/<str:code>/", views.join, name="join"),
    path("enter/", entering.enter, name="enter"),
    path("enter/<str:token>/", entering.entered, name="entered"),
    path("hooks/prolific/", hooks.prolific, name="prolific-hook"),
    path("arrive/<slug:provider>/<uuid:key>/", visiting.arrive, name="arrive"),
    path("w/<str:secret>/", views.landing, name="landing"),
    path("w/<str:secret>/start/", views.start, name="start"),
    path("w/<str:secret>/verify/", views.verify, name="verify"),
    path("crops/<uuid:key>.jpg", photo_views.crop, name="crop"),
    path("crops/<uuid:key>/whole.jpg", photo_views.whole, name="whole"),
]
