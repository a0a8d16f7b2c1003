"""Pages of workers."""

from __future__ import annotations

from django.urls import path

from annotation_site.pages import entering, hooks, photo_views, qualification_views, views, visiting

app_name = "pages"
urlpatterns = [
    path("join/<str:code>/", views.join, name="join"),
    path("enter/", entering.enter, name="enter"),
    path("enter/<str:token>/", entering.entered, name="entered"),
    path("hooks/prolific/", hooks.prolific, name="prolific-hook"),
    path("arrive/<slug:provider>/<uuid:key>/", visiting.arrive, name="arrive"),
    path("w/<str:secret>/", views.landing, name="landing"),
    path("w/<str:secret>/agree/", views.agree, name="agree"),
    path("w/<str:secret>/instructions/", qualification_views.instructions, name="instructions"),
    path("w/<str:secret>/test/", qualification_views.test, name="test"),
    path("w/<str:secret>/test/begin/", qualification_views.begin, name="test-begin"),
    path("w/<str:secret>/test/result/", qualification_views.result, name="test-result"),
    path("w/<str:secret>/test/<uuid:key>/answer", qualification_views.answer, name="test-answer"),
    path("w/<str:secret>/test/<uuid:key>/undo", qualification_views.undo, name="test-undo"),
    path("w/<str:secret>/start/", views.start, name="start"),
    path("w/<str:secret>/verify/", views.verify, name="verify"),
    path("crops/<uuid:key>.jpg", photo_views.crop, name="crop"),
    path("crops/<uuid:key>/whole.jpg", photo_views.whole, name="whole"),
    path("crops/test/<uuid:key>.jpg", photo_views.test_crop, name="test-crop"),
    path("crops/test/<uuid:key>/whole.jpg", photo_views.test_whole, name="test-whole"),
    path("crops/example/<uuid:key>.jpg", photo_views.example, name="example"),
]
