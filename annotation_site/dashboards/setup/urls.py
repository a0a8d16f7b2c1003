"""Pages that begin a project and set it up."""

from __future__ import annotations

from django.urls import path

from annotation_site.dashboards.setup import changes, creating, importing, stages
from annotation_site.dashboards.setup.page import setup

SETUP = "projects/<slug:slug>/setup/"
urlpatterns = [
    path("projects/new/", creating.new, name="new_project"),
    path(SETUP, setup, name="setup"),
    path(f"{SETUP}categories/", changes.categories, name="setup_categories"),
    path(f"{SETUP}parameters/", changes.parameters, name="setup_parameters"),
    path(f"{SETUP}budget/", changes.budget, name="setup_budget"),
    path(f"{SETUP}estimate/", changes.estimate, name="setup_estimate"),
    path(f"{SETUP}stages/", stages.change, name="setup_stages"),
    path(f"{SETUP}imports/", importing.ask, name="setup_imports"),
    path(f"{SETUP}imports/<int:pk>/", importing.change, name="setup_import"),
    path(f"{SETUP}imports/<int:pk>/problems/", importing.problems, name="setup_problems"),
    path(f"{SETUP}imports/<int:pk>/files/<int:number>/", importing.piece, name="setup_piece"),
]
