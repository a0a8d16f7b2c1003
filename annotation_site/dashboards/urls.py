"""Pages of project admins."""

from __future__ import annotations

from django.urls import path

from annotation_site.dashboards import exports, people, views

app_name = "dashboards"
urlpatterns = [
    path("", views.projects, name="projects"),
    path("healthz", views.healthz, name="healthz"),
    path("invitations/<str:secret>/", people.invitation, name="invitation"),
    path("projects/<slug:slug>/", views.project, name="project"),
    path("projects/<slug:slug>/live/", views.live, name="live"),
    path("projects/<slug:slug>/curve.json", views.curve, name="curve"),
    path("projects/<slug:slug>/decisions/", views.decisions, name="decisions"),
    path("projects/<slug:slug>/report/", views.report, name="report"),
    path("projects/<slug:slug>/masks/<int:pk>.jpg", views.thumbnail, name="thumbnail"),
    path("projects/<slug:slug>/state/", views.change_state, name="state"),
    path("projects/<slug:slug>/people/", people.people, name="people"),
    path("projects/<slug:slug>/people/<int:pk>/", people.change_access, name="change_access"),
    path("projects/<slug:slug>/people/invite/", people.invite, name="invite"),
    path("projects/<slug:slug>/people/invitations/<int:pk>/revoke/", people.uninvite, name="uninvite"),
    path("projects/<slug:slug>/exports/", exports.exports, name="exports"),
    path("projects/<slug:slug>/exports/new/", exports.ask, name="ask_for_export"),
    path("projects/<slug:slug>/exports/<int:pk>/", exports.download, name="download"),
    path("projects/<slug:slug>/exports/<int:pk>/end/", exports.end, name="end_export"),
]
