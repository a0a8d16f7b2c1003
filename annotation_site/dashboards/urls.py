"""Pages of project admins."""

from __future__ import annotations

from django.contrib.auth import views as auth
from django.urls import path

from annotation_site.dashboards import views

app_name = "dashboards"
urlpatterns = [
    path("", views.projects, name="projects"),
    path("healthz", views.healthz, name="healthz"),
    path("login/", auth.LoginView.as_view(template_name="dashboards/login.html"), name="login"),
    path("logout/", auth.LogoutView.as_view(next_page="dashboards:login"), name="logout"),
    path("projects/<slug:slug>/", views.project, name="project"),
    path("projects/<slug:slug>/live/", views.live, name="live"),
    path("projects/<slug:slug>/curve.json", views.curve, name="curve"),
    path("projects/<slug:slug>/decisions/", views.decisions, name="decisions"),
    path("projects/<slug:slug>/report/", views.report, name="report"),
    path("projects/<slug:slug>/masks/<int:pk>.jpg", views.thumbnail, name="thumbnail"),
    path("projects/<slug:slug>/state/", views.change_state, name="state"),
]
