"""Who reaches what: every route, as each kind of visitor who has no business there.

A route without a row in `TABLE` fails. A row says what each visitor gets; add one with the route.
`test_access_of_visits.py` walks the workers' pages by the tokens of visits.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from drf_spectacular.generators import SchemaGenerator

from annotation_site.access.granting import grant
from annotation_site.access.models import Access
from annotation_site.dashboards import health
from annotation_site.dashboards.charts import TABLES
from annotation_site.people.models import Membership, Standing
from annotation_site.people.standing import change_standing
from annotation_site.verification import tokens
from annotation_site.verification.models import Assignment, Item, Judgment
from tests.factories import NOON
from tests.site.campaigns import Person, opened, project_with_tree

pytestmark = pytest.mark.django_db

OK, LOGIN, MISSING = HTTPStatus.OK, HTTPStatus.FOUND, HTTPStatus.NOT_FOUND
FORBIDDEN, UNKNOWN, GONE = HTTPStatus.FORBIDDEN, HTTPStatus.UNAUTHORIZED, HTTPStatus.GONE
ANYTHING = None
"""It is theirs to see: what this visitor gets is not looked at here."""


@dataclass(frozen=True)
class Row:
    """What five visitors get of a route that leads to the project and the HIT of worker B.

    Attributes
    ----------
    anonymous : someone who guesses what they cannot know
    worker : worker A, with their own cookie, secret and token, and the ids of B
    stopped : B's twin on the same project with a HIT of their own, after they were stopped
    foreign : the owner of another project
    viewer : someone who may look at this one
    """

    anonymous: int
    worker: int
    stopped: int
    foreign: int
    viewer: int | None = ANYTHING
    method: str = "get"
    body: dict[str, Any] = field(default_factory=dict)


def project_page() -> Row:
    """A page for the project's people: visitors are sent to the login, for others it does not exist."""
    return Row(LOGIN, LOGIN, LOGIN, MISSING)


def project_change(body: dict[str, Any] | None = None) -> Row:
    """What the project's admins alone may do."""
    return Row(LOGIN, LOGIN, LOGIN, MISSING, FORBIDDEN, "post", body or {})


def admins_page() -> Row:
    """A page that the project's viewers may not even look at."""
    return Row(LOGIN, LOGIN, LOGIN, MISSING, FORBIDDEN)


def public(status: int = OK, method: str = "get", body: dict[str, Any] | None = None) -> Row:
    """The same for everyone, since nothing in it is anyone's."""
    return Row(status, status, status, status, status, method, body or {})


def own_link(method: str = "get") -> Row:
    """Addressed by a secret: nobody finds another's, and a stopped worker's own one says so."""
    return Row(MISSING, MISSING, FORBIDDEN, MISSING, MISSING, method)


def api_read() -> Row:
    """What the API tells the project's people."""
    return Row(UNKNOWN, UNKNOWN, UNKNOWN, MISSING)


def api_write(method: str = "post") -> Row:
    """What the API does for the project's admins alone."""
    return Row(UNKNOWN, UNKNOWN, UNKNOWN, MISSING, FORBIDDEN, method)


ANSWER = {"says": "yes", "elapsed_ms": 900}
NODE = "/trees/<int:tree>/nodes/<int:node>"
API_READ = (
    "", "/status", "/overview", "/curve", "/categories", "/categories/<int:category>",
    "/instructions", "/test",
    "/images", "/images/<int:image>", "/images/<int:image>/photo", "/predictions",
    "/predictions/heldout", "/threshold/outlook", "/stages", "/rounds",
    "/rounds/<int:number>", "/trees", "/trees/<int:tree>/nodes", NODE, "/verdicts",
    "/verdicts/<int:verdict>", "/decisions", "/decisions/<int:decision>", "/masks", "/masks/<int:mask>",
    "/masks/<int:mask>/crop", "/budget", "/estimate", "/trust", "/workers",
    "/workers/<int:worker>", "/listings", "/listings/<int:listing>", "/exports", "/exports/<int:export>",
    "/usefulness", "/usefulness/<int:comparison>",
    "/exports/<int:export>/file", "/report", "/dataset", "/people", "/people/<int:person>",
    "/workers/<int:worker>/answers", "/workers/<int:worker>/course", "/listings/<int:listing>/progress",
    "/listings/<int:listing>/submissions", "/listings/<int:listing>/actions",
)  # fmt: skip
"""Routes of a project that the API tells something at."""
API_WRITE = {
    "/ledger": "get",
    "/imports": "get",
    "/imports/<int:run>": "get",
    "/imports/<int:run>/problems": "get",
    "/threshold": "put",
    "/imports/uploads": "post",
    "/imports/<int:run>/files/<int:number>": "put",
    "/imports/<int:run>/finish": "post",
    "/imports/<int:run>/stop": "post",
    "/imports/<int:run>/go-on": "post",
    "/state": "put",
    "/archive": "post",
    "/stages/run": "post",
    "/rounds/long-tail": "post",
    f"{NODE}/verdicts": "post",
    "/workers/<int:worker>/stop": "post",
    "/workers/<int:worker>/reinstate": "post",
    "/workers/<int:worker>/note": "post",
    "/listings/<int:listing>/publish": "post",
    "/listings/<int:listing>/end": "post",
    "/exports/<int:export>/stop": "post",
    "/exports/<int:export>/retry": "post",
    "/usefulness/<int:comparison>/stop": "post",
    "/usefulness/<int:comparison>/go-on": "post",
    "/invitations/<int:invitation>": "delete",
    "/examples": "get",
    "/examples/<int:example>": "get",
    "/test/again": "post",
    "/gold": "get",
    "/gold/<int:gold>": "get",
    "/gold/<int:gold>/crop": "get",
    "/gold/<int:gold>/retire": "post",
    "/gold/<int:gold>/take-back": "post",
    "/codes": "get",
    "/codes/<int:code>": "delete",
    "/workers/<int:worker>/vouch": "post",
    "/workers/<int:worker>/link": "post",
    "/workers/<int:worker>/account": "get",
    "/workers/<int:worker>/bonus": "post",
    "/workers/<int:worker>/payments": "get",
    "/workers/<int:worker>/messages": "get",
    "/submissions/<int:submission>/approve": "post",
    "/submissions/<int:submission>/reject": "post",
    "/submissions/<int:submission>/return": "post",
    "/submissions/<int:submission>/bonus": "post",
    "/actions/<int:action>/retry": "post",
    "/webhooks": "get",
    "/webhooks/<int:webhook>": "get",
    "/webhooks/<int:webhook>/secret": "post",
    "/webhooks/<int:webhook>/disable": "post",
    "/webhooks/<int:webhook>/enable": "post",
    "/webhooks/<int:webhook>/test": "post",
    "/webhooks/<int:webhook>/deliveries": "get",
    "/deliveries/<int:delivery>": "get",
    "/deliveries/<int:delivery>/again": "post",
    "/history": "get",
}
"""Those for admins alone: they do something, or tell what is not for everyone."""
API_CHANGE = [
    ("", "patch"), ("", "delete"), ("/archive", "get"), ("/archive", "delete"), ("/categories", "post"),
    ("/categories/<int:category>", "patch"),
    ("/categories/<int:category>", "delete"), ("/imports", "post"), ("/imports/<int:run>", "delete"),
    ("/estimate", "post"), ("/predictions", "post"), ("/predictions", "delete"),
    ("/instructions", "patch"), ("/test", "patch"),
    ("/stages/run", "delete"), ("/rounds", "post"), ("/verdicts/<int:verdict>", "delete"),
    ("/budget", "patch"), ("/trust", "patch"), ("/workers", "post"), ("/listings", "post"),
    ("/exports", "post"), ("/usefulness", "post"), ("/usefulness/<int:comparison>", "delete"),
    ("/exports/<int:export>", "delete"), ("/people/<int:person>", "patch"),
    ("/people/<int:person>", "delete"), ("/invitations", "post"),
    ("/examples/<int:example>", "patch"), ("/gold", "post"), ("/codes", "post"),
    ("/workers/<int:worker>/stop", "get"), ("/workers/<int:worker>/payments", "post"),
    ("/workers/<int:worker>/messages", "post"), ("/webhooks", "post"),
    ("/webhooks/<int:webhook>", "patch"), ("/webhooks/<int:webhook>", "delete"),
]  # fmt: skip
"""What it does at routes at which something is told, or done by another method."""
TABLE = {
    "": Row(LOGIN, LOGIN, LOGIN, OK),
    "healthz": public(),
    "readyz": public(),
    "metrics": public(FORBIDDEN),
    "system/": Row(LOGIN, LOGIN, LOGIN, FORBIDDEN, FORBIDDEN),
    "system/history/": Row(LOGIN, LOGIN, LOGIN, FORBIDDEN, FORBIDDEN),
    "system/jobs/<slug:kind>/<int:pk>/retry/": Row(LOGIN, LOGIN, LOGIN, FORBIDDEN, FORBIDDEN, "post"),
    "system/stages/<int:pk>/retry/": Row(LOGIN, LOGIN, LOGIN, FORBIDDEN, FORBIDDEN, "post"),
    "login/": Row(OK, OK, OK, LOGIN, LOGIN),
    "logout/": public(LOGIN, "post"),
    "account/new/": Row(OK, OK, OK, LOGIN, LOGIN),
    "account/inactive/": public(),
    "account/password/": Row(LOGIN, LOGIN, LOGIN, LOGIN, LOGIN),
    "account/password/set/": Row(LOGIN, LOGIN, LOGIN, OK, OK),
    "account/reset/": public(),
    "account/reset/sent/": public(),
    "^account/reset/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$": public(),
    "account/reset/done/": public(),
    "account/provider/new/": public(LOGIN),
    "account/provider/cancelled/": public(),
    "account/provider/error/": public(UNKNOWN),
    "account/providers/": Row(LOGIN, LOGIN, LOGIN, OK, OK),
    "account/<str:provider_id>/login/": public(MISSING),
    "account/<str:provider_id>/login/callback/": public(MISSING),
    "invitations/<str:secret>/": public(MISSING),
    "deletions/": Row(LOGIN, LOGIN, LOGIN, OK, OK),
    "deletions/<int:pk>/": Row(LOGIN, LOGIN, LOGIN, MISSING, MISSING),
    "deletions/<int:pk>/statement.csv": Row(LOGIN, LOGIN, LOGIN, MISSING, MISSING),
    "deletions/<int:pk>/answers.csv": Row(LOGIN, LOGIN, LOGIN, MISSING, MISSING),
    "deletions/<int:pk>/change/": Row(LOGIN, LOGIN, LOGIN, MISSING, MISSING, "post"),
    "projects/new/": Row(LOGIN, LOGIN, LOGIN, OK, OK),
    "projects/<slug:slug>/setup/": Row(LOGIN, LOGIN, LOGIN, MISSING, FORBIDDEN),
    "projects/<slug:slug>/setup/categories/": project_change({"categories": "door"}),
    "projects/<slug:slug>/setup/parameters/": project_change({"n_s": "1"}),
    "projects/<slug:slug>/setup/budget/": project_change({"questions": "1"}),
    "projects/<slug:slug>/setup/estimate/": project_change(),
    "projects/<slug:slug>/setup/stages/": project_change({"do": "run open"}),
    "projects/<slug:slug>/setup/imports/": project_change({"source": "place", "place": "/", "role": "pool"}),
    "projects/<slug:slug>/setup/imports/<int:pk>/": project_change({"do": "discard"}),
    "projects/<slug:slug>/setup/imports/<int:pk>/problems/": Row(LOGIN, LOGIN, LOGIN, MISSING, FORBIDDEN),
    "projects/<slug:slug>/setup/imports/<int:pk>/files/<int:number>/": project_change(),
    "projects/<slug:slug>/": project_page(),
    "projects/<slug:slug>/live/": project_page(),
    "projects/<slug:slug>/curve.json": project_page(),
    "projects/<slug:slug>/progress.json": project_page(),
    **{f"projects/<slug:slug>/{chart}.csv": project_page() for chart in TABLES},
    "projects/<slug:slug>/decisions/": project_page(),
    "projects/<slug:slug>/instructions/": admins_page(),
    "projects/<slug:slug>/instructions/preview/": project_change({"text": "read this"}),
    "projects/<slug:slug>/instructions/test/": project_change({"questions": "0"}),
    "projects/<slug:slug>/instructions/examples/<uuid:key>/": project_change(),
    "projects/<slug:slug>/report/": project_page(),
    "projects/<slug:slug>/masks/<int:pk>.jpg": project_page(),
    "projects/<slug:slug>/people/": project_page(),
    "projects/<slug:slug>/people/<int:pk>/": project_change({"access": "owner"}),
    "projects/<slug:slug>/people/invite/": project_change({"email": "me@example.org", "access": "owner"}),
    "projects/<slug:slug>/people/invitations/<int:pk>/revoke/": project_change(),
    "projects/<slug:slug>/exports/": project_page(),
    "projects/<slug:slug>/exports/new/": project_change({"format": "coco", "include": "accepted"}),
    "projects/<slug:slug>/exports/<int:pk>/": project_page(),
    "projects/<slug:slug>/exports/<int:pk>/end/": project_change(),
    "projects/<slug:slug>/rounds/": project_page(),
    "projects/<slug:slug>/rounds/begin/": project_change({"until": "calibrate"}),
    "projects/<slug:slug>/rounds/long-tail/": project_change(),
    "projects/<slug:slug>/rounds/usefulness/": project_change({"seeds": "1"}),
    "projects/<slug:slug>/rounds/usefulness/<int:pk>/": project_change(),
    "projects/<slug:slug>/state/": project_change({"state": "paused"}),
    "projects/<slug:slug>/launch/": project_page(),
    "projects/<slug:slug>/launch/<slug:provider>/<slug:environment>/draft/": project_change(),
    "projects/<slug:slug>/launch/<int:pk>/": project_change({"do": "publish"}),
    "projects/<slug:slug>/launch/actions/<int:pk>/": project_change(),
    "projects/<slug:slug>/launch/submissions/<int:pk>/": project_change({"do": "approve"}),
    "projects/<slug:slug>/team/": project_page(),
    "projects/<slug:slug>/team/invite/": project_change({"name": "me"}),
    "projects/<slug:slug>/team/<int:pk>/": project_change({"do": "rotate"}),
    "projects/<slug:slug>/team/codes/": project_change(),
    "projects/<slug:slug>/team/codes/<int:pk>/revoke/": project_change(),
    "projects/<slug:slug>/workers/": project_page(),
    "projects/<slug:slug>/workers/trust/": project_page(),
    "projects/<slug:slug>/workers/trust/change/": project_change({"least_gold": "1"}),
    "projects/<slug:slug>/workers/gold/": admins_page(),
    "projects/<slug:slug>/workers/gold/<int:pk>/": project_change({"do": "take-back"}),
    "projects/<slug:slug>/masks/<int:pk>/gold/": project_change({"answer": "right"}),
    "projects/<slug:slug>/workers/gold/<int:pk>.jpg": Row(LOGIN, LOGIN, LOGIN, MISSING, FORBIDDEN),
    "projects/<slug:slug>/workers/<int:pk>/": project_page(),
    "projects/<slug:slug>/workers/<int:pk>/figures.json": project_page(),
    "projects/<slug:slug>/workers/<int:pk>/<slug:chart>.csv": project_page(),
    "projects/<slug:slug>/workers/<int:pk>/stop/": project_change({"counts": "all", "reason": "theirs"}),
    "projects/<slug:slug>/workers/<int:pk>/reinstate/": project_change({"reason": "theirs"}),
    "projects/<slug:slug>/workers/<int:pk>/note/": project_change({"reason": "theirs"}),
    "projects/<slug:slug>/workers/<int:pk>/bonus/": project_change({"money": "1", "reason": "theirs"}),
    "projects/<slug:slug>/workers/<int:pk>/paid/": project_change({"money": "1"}),
    "projects/<slug:slug>/workers/<int:pk>/message/": project_change({"text": "theirs"}),
    "projects/<slug:slug>/trees/": project_page(),
    "projects/<slug:slug>/trees/<int:tree>/": project_page(),
    "projects/<slug:slug>/trees/<int:tree>/visible.json": project_page(),
    "projects/<slug:slug>/trees/<int:tree>/<int:node>/": project_page(),
    "projects/<slug:slug>/trees/<int:tree>/<int:node>/rule/": project_change(
        {"verdict": "accept", "reason": "theirs"}
    ),
    "projects/<slug:slug>/compare/": project_page(),
    "projects/<slug:slug>/masks/": project_page(),
    "projects/<slug:slug>/masks/<int:pk>/": project_page(),
    "projects/<slug:slug>/images/<int:pk>/": project_page(),
    "projects/<slug:slug>/images/<int:pk>.jpg": project_page(),
    "projects/<slug:slug>/dataset/": project_page(),
    "projects/<slug:slug>/dataset/figures.json": project_page(),
    "projects/<slug:slug>/dataset/<slug:chart>.csv": project_page(),
    "projects/<slug:slug>/verdicts/": project_page(),
    "projects/<slug:slug>/model/": project_page(),
    "projects/<slug:slug>/model/detector/": project_change({"detector": "fake"}),
    "projects/<slug:slug>/model/predictions/": project_change(),
    "projects/<slug:slug>/model/predictions/change/": project_change({"do": "stop"}),
    "projects/<slug:slug>/model/threshold/": project_change({"k_pa": "0"}),
    "projects/<slug:slug>/model/sheet/": project_page(),
    "projects/<slug:slug>/model/training.json": project_page(),
    "projects/<slug:slug>/model/scores.json": project_page(),
    "projects/<slug:slug>/model/calibration.json": project_page(),
    "projects/<slug:slug>/model/outlook.json": project_page(),
    "projects/<slug:slug>/model/<slug:chart>.csv": project_page(),
    "projects/<slug:slug>/verdicts/<int:pk>/undo/": project_change(),
    "projects/<slug:slug>/archive/": admins_page(),
    "projects/<slug:slug>/archive/change/": project_change({"do": "archive"}),
    "projects/<slug:slug>/delete/": project_change({"name": "theirs"}),
    "projects/<slug:slug>/history/": admins_page(),
    "projects/<slug:slug>/webhooks/": admins_page(),
    "projects/<slug:slug>/webhooks/new/": project_change(
        {"url": "https://a.example/", "kinds": "stage.failed"}
    ),
    "projects/<slug:slug>/webhooks/<int:pk>/": admins_page(),
    "projects/<slug:slug>/webhooks/<int:pk>/change/": project_change({"do": "delete"}),
    "projects/<slug:slug>/webhooks/deliveries/<int:pk>/": admins_page(),
    "projects/<slug:slug>/webhooks/deliveries/<int:pk>/again/": project_change(),
    "join/<str:code>/": public(MISSING),
    "arrive/<slug:provider>/<uuid:key>/": public(MISSING),  # Listings that exist: test_access_of_visits.
    "enter/": public(),
    "enter/<str:token>/": public(GONE),
    "hooks/prolific/": public(FORBIDDEN, "post"),
    "w/<str:secret>/": own_link(),
    "w/<str:secret>/agree/": own_link("post"),
    "w/<str:secret>/instructions/": own_link(),
    "w/<str:secret>/test/": own_link(),
    "w/<str:secret>/test/begin/": own_link("post"),
    "w/<str:secret>/test/result/": own_link(),
    "w/<str:secret>/test/<uuid:key>/answer": own_link("post"),
    "w/<str:secret>/test/<uuid:key>/undo": own_link("post"),
    "w/<str:secret>/start/": own_link("post"),
    "w/<str:secret>/verify/": own_link(),
    "crops/<uuid:key>.jpg": public(MISSING),
    "crops/<uuid:key>/whole.jpg": public(MISSING),
    "crops/test/<uuid:key>.jpg": public(MISSING),
    "crops/test/<uuid:key>/whole.jpg": public(MISSING),
    "crops/example/<uuid:key>.jpg": public(MISSING),
    "account/tokens/": Row(LOGIN, LOGIN, LOGIN, OK, OK),
    "account/tokens/<int:pk>/revoke/": Row(LOGIN, LOGIN, LOGIN, MISSING, MISSING, "post"),
    "api/schema/": public(),
    "api/docs/": Row(LOGIN, LOGIN, LOGIN, OK, OK),
    "api/items/<uuid:key>/answer": Row(UNKNOWN, MISSING, FORBIDDEN, UNKNOWN, UNKNOWN, "post", ANSWER),
    "api/items/<uuid:key>/undo": Row(UNKNOWN, MISSING, FORBIDDEN, UNKNOWN, UNKNOWN, "post"),
    "api/v1/me": Row(UNKNOWN, UNKNOWN, UNKNOWN, OK, OK),
    "api/v1/tokens": Row(UNKNOWN, UNKNOWN, UNKNOWN, OK, OK),
    "api/v1/tokens/<int:token_id>": Row(UNKNOWN, UNKNOWN, UNKNOWN, MISSING, MISSING),
    "api/v1/projects": Row(UNKNOWN, UNKNOWN, UNKNOWN, OK, OK),
    "api/v1/system": Row(UNKNOWN, UNKNOWN, UNKNOWN, FORBIDDEN, FORBIDDEN),
    "api/v1/system/workers": Row(UNKNOWN, UNKNOWN, UNKNOWN, FORBIDDEN, FORBIDDEN),
    "api/v1/system/stages": Row(UNKNOWN, UNKNOWN, UNKNOWN, FORBIDDEN, FORBIDDEN),
    "api/v1/system/jobs/<slug:kind>": Row(UNKNOWN, UNKNOWN, UNKNOWN, FORBIDDEN, FORBIDDEN),
    "api/v1/system/jobs/<slug:kind>/<int:job>/retry": Row(
        UNKNOWN, UNKNOWN, UNKNOWN, FORBIDDEN, FORBIDDEN, "post"
    ),
    "api/v1/system/history": Row(UNKNOWN, UNKNOWN, UNKNOWN, FORBIDDEN, FORBIDDEN),
    "api/v1/system/stages/<int:stage>/retry": Row(UNKNOWN, UNKNOWN, UNKNOWN, FORBIDDEN, FORBIDDEN, "post"),
    "api/v1/deletions": Row(UNKNOWN, UNKNOWN, UNKNOWN, OK, OK),
    "api/v1/deletions/<int:deletion>": Row(UNKNOWN, UNKNOWN, UNKNOWN, MISSING, MISSING),
    "api/v1/deletions/<int:deletion>/statement": Row(UNKNOWN, UNKNOWN, UNKNOWN, MISSING, MISSING),
    "api/v1/deletions/<int:deletion>/answers": Row(UNKNOWN, UNKNOWN, UNKNOWN, MISSING, MISSING),
    "api/v1/deletions/<int:deletion>/stop": Row(UNKNOWN, UNKNOWN, UNKNOWN, MISSING, MISSING, "post"),
    "api/v1/deletions/<int:deletion>/go-on": Row(UNKNOWN, UNKNOWN, UNKNOWN, MISSING, MISSING, "post"),
    "api/v1/<anything:rest>": Row(UNKNOWN, UNKNOWN, UNKNOWN, MISSING, MISSING),
    **{f"api/v1/projects/<slug:slug>{path}": api_read() for path in API_READ},
    "api/v1/projects/<slug:slug>/invitations": Row(UNKNOWN, UNKNOWN, UNKNOWN, MISSING, FORBIDDEN),
    **{f"api/v1/projects/<slug:slug>{path}": api_write(method) for path, method in API_WRITE.items()},
}
"""Route, as its URL configuration spells it -> who gets what of it."""

ALSO = [
    ("api/v1/projects", Row(UNKNOWN, UNKNOWN, UNKNOWN, ANYTHING, ANYTHING, "post")),
    ("api/v1/tokens", Row(UNKNOWN, UNKNOWN, UNKNOWN, ANYTHING, ANYTHING, "post")),
    ("api/v1/tokens/<int:token_id>", Row(UNKNOWN, UNKNOWN, UNKNOWN, MISSING, MISSING, "delete")),
    *((f"api/v1/projects/<slug:slug>{path}", api_write(method)) for path, method in API_CHANGE),
]
"""Further methods of those routes."""

PLACE = re.compile(r"\(\?P<(\w+)>[^)]*\)|<(?:\w+:)?(\w+)>")
"""What a route leaves open, as a pattern or by a converter."""
VISITORS = ("anonymous", "worker", "stopped", "foreign", "viewer")
DJANGO_ADMIN = "django-admin/"


def routes(patterns: list[URLPattern | URLResolver], before: str = "") -> Iterator[str]:
    """Every route but those of Django's own admin."""
    for pattern in patterns:
        route = before + str(pattern.pattern)
        if route.startswith(DJANGO_ADMIN):
            continue
        if isinstance(pattern, URLResolver):
            yield from routes(pattern.url_patterns, route)
        else:
            yield route


@dataclass
class Ground:
    """Worker B at work on a project; worker A at work on another; B's twin, stopped."""

    ours: Membership
    stranger: Membership
    stopped: Membership
    people: dict[str, User]

    @classmethod
    def laid(cls) -> Ground:
        project, elsewhere = (opened(project_with_tree([True] * 64, hit_size=5)) for _ in range(2))
        ours, twin = Person.of(project, "B"), Person.of(project, "B's twin")
        stranger = Person.of(elsewhere, "A")
        for person in (ours, twin, stranger):
            person.open()
        change_standing(membership=twin.member, to=Standing.STOPPED, reason="a test", at=NOON)
        people = {name: User.objects.create_user(name, is_staff=True) for name in ("foreign", "viewer")}
        grant(project=elsewhere, user=people["foreign"], access=Access.OWNER)
        grant(project=project, user=people["viewer"], access=Access.VIEWER)
        return cls(ours.member, stranger.member, twin.member, people)

    def client(self, visitor: str) -> Client:
        """The visitor's browser, with all that is theirs."""
        client = Client(raise_request_exception=False)
        if visitor in self.people:
            client.force_login(self.people[visitor])
        if visitor in ("worker", "stopped"):
            own = {"worker": self.stranger, "stopped": self.stopped}[visitor]
            client.cookies["member"] = own.secret
            client.defaults["HTTP_AUTHORIZATION"] = f"Worker {tokens.issue(held(own))}"
        return client

    def url(self, route: str, visitor: str) -> str:
        """The route with the ids of B; secrets and keys of photos are guessed, or one's own."""
        item = Item.objects.filter(assignment=held(self.stopped if visitor == "stopped" else self.ours))
        values = {
            "slug": self.ours.project.slug,
            "secret": self.stopped.secret if visitor == "stopped" else "guessed",
            "code": "0",
            "token": "guessed",
            "environment": "sandbox",
            "provider": "mturk",
            "key": str(uuid4() if route.startswith(("crops/", "arrive/")) else item.first().key),
            "pk": "1",
            "provider_id": "none",
            "uidb36": "1",
            "tree": str(self.ours.project.rounds.get().trees.get().pk),
            "node": "0",
            "number": "0",
            "chart": "sizes",
            "rest": "nowhere",
        }
        return "/" + PLACE.sub(lambda found: values.get(found[1] or found[2], "1"), route.strip("^$"))


def held(member: Membership) -> Assignment:
    """The HIT that a worker opened."""
    return Assignment.objects.get(worker=member.worker, project=member.project)


def test_every_route_says_who_may_reach_it() -> None:
    known = set(routes(get_resolver().url_patterns))
    assert known - set(TABLE) == set(), "Say in TABLE what each visitor gets of these routes."
    assert set(TABLE) - known == set(), "These routes are gone: take them out of TABLE."


def test_every_method_of_the_api_says_who_may_use_it() -> None:
    known = {(route, row.method) for route, row in (*TABLE.items(), *ALSO)}
    described = SchemaGenerator().get_schema(public=True)["paths"]
    told = {PLACE.sub(r"{\1\2}", f"/{route}"): route for route in TABLE}
    methods = {
        (told[path], method)
        for path in described
        if path.startswith("/api/v1/")
        for method in described[path]
    }
    assert methods - known == set(), "Say in ALSO what each visitor gets of these."


@pytest.mark.parametrize("visitor", VISITORS)
def test_nobody_reaches_what_is_not_theirs(visitor: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(health.CHECKS, "broker", lambda: None)
    ground = Ground.laid()
    before = list(Assignment.objects.order_by("pk").values())
    got, expected = {}, {}
    for route, row in (*TABLE.items(), *ALSO):
        wanted = getattr(row, visitor)
        if wanted is ANYTHING:
            continue
        what = f"{row.method} {route}"
        send = getattr(ground.client(visitor), row.method)
        options = {"content_type": "application/json"} if route.startswith("api/") else {}
        got[what] = int(send(ground.url(route, visitor), row.body or None, **options).status_code)
        expected[what] = int(wanted)
    assert got == expected
    assert not Judgment.objects.exists()
    assert list(Assignment.objects.order_by("pk").values()) == before


def test_who_is_sent_away_is_sent_to_the_login(client: Client) -> None:
    ground = Ground.laid()
    for route, row in TABLE.items():
        if row.anonymous == LOGIN and row.method == "get":
            answer = client.get(ground.url(route, "anonymous"))
            assert answer.headers["Location"].startswith("/login/"), route


def test_djangos_own_admin_wants_an_admin(client: Client) -> None:
    assert client.get("/django-admin/").headers["Location"].startswith("/django-admin/login/")
    client.force_login(User.objects.create_user("nobody"))
    assert client.get("/django-admin/").status_code == LOGIN


@pytest.mark.parametrize("token", ["", "Worker", "Worker forged", "Bearer x", "Worker a:b:c"])
def test_a_token_that_is_none_opens_nothing(token: str) -> None:
    ground = Ground.laid()
    client = Client(headers={"Authorization": token})
    url = ground.url("api/items/<uuid:key>/answer", "anonymous")
    assert client.post(url, ANSWER, "application/json").status_code == UNKNOWN
