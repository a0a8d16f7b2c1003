"""Pages of project admins."""

from __future__ import annotations

from django.urls import path

from annotation_site.dashboards import (
    archive,
    charts,
    exports,
    health,
    history,
    instructions,
    launching,
    looking_urls,
    people,
    rounds,
    system,
    team,
    views,
    webhooks,
)
from annotation_site.dashboards.model import urls as model_urls
from annotation_site.dashboards.setup import urls as setup_urls
from annotation_site.dashboards.workers import urls as workers_urls

app_name = "dashboards"
urlpatterns = [
    path("", views.projects, name="projects"),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", health.metrics, name="metrics"),
    path("system/", system.system, name="system"),
    path("system/history/", history.site_history, name="site-history"),
    path("system/stages/<int:pk>/retry/", system.retry, name="retry_stage"),
    path("system/jobs/<slug:kind>/<int:pk>/retry/", system.retry_job, name="retry_job"),
    path("invitations/<str:secret>/", people.invitation, name="invitation"),
    path("deletions/", archive.deletions, name="deletions"),
    path("deletions/<int:pk>/", archive.deletion, name="deletion"),
    path("deletions/<int:pk>/statement.csv", archive.statement, name="statement"),
    path("deletions/<int:pk>/answers.csv", archive.answers, name="kept-answers"),
    path("deletions/<int:pk>/change/", archive.change_deletion, name="change-deletion"),
    *setup_urls.urlpatterns,
    path("projects/<slug:slug>/", views.project, name="project"),
    path("projects/<slug:slug>/live/", views.live, name="live"),
    path("projects/<slug:slug>/curve.json", charts.curve, name="curve"),
    path("projects/<slug:slug>/progress.json", charts.progress, name="progress"),
    *(
        path(f"projects/<slug:slug>/{chart}.csv", charts.numbers, {"chart": chart}, name=f"{chart}-numbers")
        for chart in charts.TABLES
    ),
    path("projects/<slug:slug>/decisions/", views.decisions, name="decisions"),
    path("projects/<slug:slug>/instructions/", instructions.page, name="instructions"),
    path("projects/<slug:slug>/instructions/preview/", instructions.preview, name="preview"),
    path("projects/<slug:slug>/instructions/test/", instructions.test, name="test"),
    path("projects/<slug:slug>/instructions/examples/<uuid:key>/", instructions.example, name="example"),
    path("projects/<slug:slug>/report/", views.report, name="report"),
    path("projects/<slug:slug>/masks/<int:pk>.jpg", views.thumbnail, name="thumbnail"),
    path("projects/<slug:slug>/rounds/", rounds.rounds, name="rounds"),
    path("projects/<slug:slug>/rounds/begin/", rounds.begin, name="begin-round"),
    path("projects/<slug:slug>/rounds/long-tail/", rounds.ask_the_tail, name="ask-long-tail"),
    path("projects/<slug:slug>/state/", views.change_state, name="state"),
    path("projects/<slug:slug>/people/", people.people, name="people"),
    path("projects/<slug:slug>/people/<int:pk>/", people.change_access, name="change_access"),
    path("projects/<slug:slug>/people/invite/", people.invite, name="invite"),
    path("projects/<slug:slug>/people/invitations/<int:pk>/revoke/", people.uninvite, name="uninvite"),
    path("projects/<slug:slug>/launch/", launching.launch, name="launch"),
    path(
        "projects/<slug:slug>/launch/<slug:provider>/<slug:environment>/draft/",
        launching.draft,
        name="launch-draft",
    ),
    path("projects/<slug:slug>/launch/<int:pk>/", launching.change_listing, name="launch-listing"),
    path("projects/<slug:slug>/launch/actions/<int:pk>/", launching.retry_action, name="launch-retry"),
    path(
        "projects/<slug:slug>/launch/submissions/<int:pk>/",
        launching.change_submission,
        name="launch-submission",
    ),
    path("projects/<slug:slug>/team/", team.members, name="team"),
    path("projects/<slug:slug>/team/invite/", team.invite, name="team-invite"),
    path("projects/<slug:slug>/team/<int:pk>/", team.change_member, name="team-member"),
    path("projects/<slug:slug>/team/codes/", team.new_code, name="team-code"),
    path("projects/<slug:slug>/team/codes/<int:pk>/revoke/", team.revoke_code, name="team-revoke-code"),
    path("projects/<slug:slug>/exports/", exports.exports, name="exports"),
    path("projects/<slug:slug>/exports/new/", exports.ask, name="ask_for_export"),
    path("projects/<slug:slug>/exports/<int:pk>/", exports.download, name="download"),
    path("projects/<slug:slug>/exports/<int:pk>/end/", exports.end, name="end_export"),
    path("projects/<slug:slug>/history/", history.history, name="history"),
    path("projects/<slug:slug>/archive/", archive.page, name="archive"),
    path("projects/<slug:slug>/archive/change/", archive.change, name="change-archive"),
    path("projects/<slug:slug>/delete/", archive.delete, name="delete"),
    path("projects/<slug:slug>/webhooks/", webhooks.listed, name="webhooks"),
    path("projects/<slug:slug>/webhooks/new/", webhooks.add, name="new-webhook"),
    path("projects/<slug:slug>/webhooks/<int:pk>/", webhooks.webhook, name="webhook"),
    path("projects/<slug:slug>/webhooks/<int:pk>/change/", webhooks.change, name="change-webhook"),
    path("projects/<slug:slug>/webhooks/deliveries/<int:pk>/", webhooks.delivery, name="delivery"),
    path("projects/<slug:slug>/webhooks/deliveries/<int:pk>/again/", webhooks.redeliver, name="redeliver"),
    *looking_urls.urlpatterns,
    *workers_urls.urlpatterns,
    *model_urls.urlpatterns,
]
