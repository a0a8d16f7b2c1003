"""Routes of the model page."""

from __future__ import annotations

from django.urls import path

from annotation_site.dashboards.model import charts, views

MODEL = "projects/<slug:slug>/model/"
urlpatterns = [
    path(MODEL, views.page, name="model"),
    path(f"{MODEL}detector/", views.choose, name="choose-detector"),
    path(f"{MODEL}predictions/", views.offer, name="offer-predictions"),
    path(f"{MODEL}predictions/change/", views.change_offer, name="change-offer"),
    path(f"{MODEL}threshold/", views.threshold, name="choose-threshold"),
    path(f"{MODEL}sheet/", views.contact_sheet, name="contact-sheet"),
    path(f"{MODEL}training.json", charts.training, name="model-training"),
    path(f"{MODEL}scores.json", charts.scores, name="model-scores"),
    path(f"{MODEL}calibration.json", charts.calibration, name="model-calibration"),
    path(f"{MODEL}outlook.json", charts.outlook, name="model-outlook"),
    path(f"{MODEL}<slug:chart>.csv", charts.numbers, name="model-numbers"),
]
