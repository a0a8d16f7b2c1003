"""Pages that look into trees, masks and the dataset."""

from __future__ import annotations

from django.urls import path

from annotation_site.dashboards import dataset, explorer, gold, masks

TREE = "projects/<slug:slug>/trees/<int:tree>/"
urlpatterns = [
    path("projects/<slug:slug>/trees/", explorer.trees, name="trees"),
    path(TREE, explorer.explore, name="tree"),
    path(f"{TREE}visible.json", explorer.visible, name="visible"),
    path(f"{TREE}<int:node>/", explorer.explore, name="node"),
    path(f"{TREE}<int:node>/rule/", explorer.rule, name="rule"),
    path("projects/<slug:slug>/compare/", explorer.compare, name="compare"),
    path("projects/<slug:slug>/masks/", masks.browse, name="masks"),
    path("projects/<slug:slug>/masks/<int:pk>/", masks.mask, name="mask"),
    path("projects/<slug:slug>/masks/<int:pk>/gold/", gold.mark, name="mark-gold"),
    path("projects/<slug:slug>/images/<int:pk>/", masks.image, name="image"),
    path("projects/<slug:slug>/images/<int:pk>.jpg", masks.photo, name="photo"),
    path("projects/<slug:slug>/dataset/", dataset.dataset, name="dataset"),
    path("projects/<slug:slug>/dataset/figures.json", dataset.figures, name="dataset-figures"),
    path("projects/<slug:slug>/dataset/<slug:chart>.csv", dataset.numbers, name="dataset-numbers"),
    path("projects/<slug:slug>/verdicts/", explorer.verdicts, name="verdicts"),
    path("projects/<slug:slug>/verdicts/<int:pk>/undo/", explorer.undo, name="undo"),
]
