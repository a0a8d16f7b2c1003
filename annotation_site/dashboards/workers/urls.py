"""Pages on workers."""

from __future__ import annotations

from django.urls import path

from annotation_site.dashboards import gold
from annotation_site.dashboards.workers import acting, trust, views

WORKERS = "projects/<slug:slug>/workers/"
urlpatterns = [
    path(WORKERS, views.workers, name="workers"),
    path(f"{WORKERS}trust/", trust.trust, name="trust"),
    path(f"{WORKERS}trust/change/", trust.change, name="change-trust"),
    path(f"{WORKERS}gold/", gold.listed, name="gold-list"),
    path(f"{WORKERS}gold/<int:pk>/", gold.change, name="change-gold"),
    path(f"{WORKERS}gold/<int:pk>.jpg", views.gold, name="gold"),
    path(f"{WORKERS}<int:pk>/", views.worker, name="worker"),
    path(f"{WORKERS}<int:pk>/figures.json", views.figures, name="worker-figures"),
    path(f"{WORKERS}<int:pk>/<slug:chart>.csv", views.numbers, name="worker-numbers"),
    path(f"{WORKERS}<int:pk>/stop/", acting.stop, name="worker-stop"),
    path(f"{WORKERS}<int:pk>/reinstate/", acting.reinstate, name="worker-reinstate"),
    path(f"{WORKERS}<int:pk>/note/", acting.note, name="worker-note"),
    path(f"{WORKERS}<int:pk>/bonus/", acting.bonus, name="worker-bonus"),
    path(f"{WORKERS}<int:pk>/paid/", acting.paid, name="worker-paid"),
    path(f"{WORKERS}<int:pk>/message/", acting.write, name="worker-message"),
]
