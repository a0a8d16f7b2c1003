"""Who reaches what by a visit from a marketplace: workers' pages by tokens, arrivals with others' ids."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta

import pytest
from django.core import signing
from django.test import Client
from django.utils import timezone

from annotation_site.marketplaces import visits
from annotation_site.marketplaces.in_memory import InMemory
from annotation_site.marketplaces.models import Listing, Submission
from annotation_site.marketplaces.visits import Visit
from annotation_site.people.models import Membership, Standing
from annotation_site.people.standing import change_standing
from annotation_site.verification.claiming import claim_hit
from annotation_site.verification.models import Assignment, Judgment
from tests.factories import NOON, agreeing
from tests.site.offers import posting_of, published
from tests.site.test_access import ANSWER, FORBIDDEN, LOGIN, MISSING, PLACE, TABLE

pytestmark = pytest.mark.django_db

PAGES = {route: row for route, row in TABLE.items() if route.startswith("w/<str:secret>/")}


@dataclass(frozen=True)
class Ground:
    """Workers A and B at work at places of one listing, and B's twin, who was stopped at work."""

    listing: Listing
    visits: dict[str, Visit]

    @classmethod
    def laid(cls, market: InMemory) -> Ground:
        listing = published("memory")
        ground = cls(listing, {})
        for worker in ("A", "B", "twin"):
            visit = visits.visit_of(ground.token(Client(), worker, f"place of {worker}"))
            agreeing(visit.membership)
            visits.bind(visit=visit, assignment=claim_hit(membership=visit.membership, at=timezone.now()))
            ground.visits[worker] = visit
        change_standing(membership=ground["twin"].membership, to=Standing.STOPPED, reason="a test", at=NOON)
        return ground

    def __getitem__(self, worker: str) -> Visit:
        return self.visits[worker]

    def arrive(self, client: Client, worker: str, place: str, **query: str):
        """Open the address that the marketplace opens, with these ids."""
        told = {"posting": posting_of(self.listing).external_id, "submission": place, "worker": worker}
        return client.get(f"/arrive/memory/{self.listing.key}/", {**told, **query})

    def token(self, client: Client, worker: str, place: str) -> str:
        return self.arrive(client, worker, place).url.split("/")[2]


@pytest.fixture
def market(market: InMemory, monkeypatch: pytest.MonkeyPatch) -> InMemory:
    monkeypatch.setattr(market, "portions", lambda listing: [listing.places])  # One posting for all of them.
    return market


@pytest.fixture
def ground(market: InMemory) -> Ground:
    return Ground.laid(market)


@pytest.fixture(autouse=True)
def _nothing_is_done(ground: Ground):
    """Whoever tries, no page of work changes hands, none is opened, and nothing is answered."""

    def stands() -> list[object]:
        return [
            list(Assignment.objects.order_by("pk").values()),
            list(Submission.objects.exclude(assignment=None).order_by("pk").values()),
        ]

    before = stands()
    yield
    assert stands() == before
    assert not Judgment.objects.exists()


def send(method: str, url: str) -> int:
    options = {"content_type": "application/json", "data": ANSWER} if method == "post" else {}
    return int(getattr(Client(), method)(url, **options).status_code)


def walk(token: str, ground: Ground, pages: Collection[str] = PAGES) -> dict[str, int]:
    """What pages of workers say to a token, with the key of an item of B where there is one."""
    key = ground["B"].submission.assignment.items.first().key
    got = {}
    for route in pages:
        url = "/" + PLACE.sub(lambda found: {"secret": token, "key": str(key)}[found[2]], route)
        got[route] = send(PAGES[route].method, url)
    return got


FORGED = {
    "made up": lambda a, b: "a:b:c",
    "B's, with a letter changed": lambda a, b: b[:-1] + ("A" if b[-1] != "A" else "B"),
    "B's place, as A's token is signed": lambda a, b: ":".join([b.split(":")[0], *a.split(":")[1:]]),
    "B's place, signed for something else": lambda a, b: signing.dumps(
        signing.loads(b, salt=visits.SALT), salt="maskgrove.enter"
    ),
}
"""Tokens that are none, made of those of the visits of A and B."""


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED)
def test_a_token_that_is_none_opens_no_page(ground, forge):
    token = forge(ground["A"].token, ground["B"].token)
    assert walk(token, ground) == dict.fromkeys(PAGES, MISSING)


def test_a_token_of_yesterday_opens_no_page(ground, monkeypatch):
    monkeypatch.setattr(visits, "LIFETIME", timedelta(seconds=-1))
    assert walk(ground["B"].token, ground) == dict.fromkeys(PAGES, MISSING)


def test_a_token_for_a_place_of_somebody_else_opens_no_page(ground):
    """This site signs none; their ids alone would be such a pair."""
    told = [ground["B"].submission.pk, ground["A"].membership.pk, InMemory.site]
    assert walk(signing.dumps(told, salt=visits.SALT), ground) == dict.fromkeys(PAGES, MISSING)


def test_a_stopped_workers_own_visit_says_so(ground):
    assert walk(ground["twin"].token, ground) == dict.fromkeys(PAGES, FORBIDDEN)


def test_ones_own_visit_gives_no_answer_for_another(ground):
    pages = [route for route in PAGES if "<uuid:key>" in route]
    assert walk(ground["A"].token, ground, pages) == dict.fromkeys(pages, MISSING)


class TestArriving:
    """Ids in an address are unsigned: whoever sends both of a worker's is that worker, and nobody else is."""

    def test_at_the_place_of_another_one_stays_oneself(self, client, ground):
        visit = visits.visit_of(ground.token(client, "A", "place of B"))
        assert visit.membership == ground["A"].membership
        assert visit.submission not in (ground["A"].submission, ground["B"].submission)
        told = client.get(f"/w/{visit.token}/verify/").content.decode()
        for item in ground["B"].submission.assignment.items.all():
            assert str(item.key) not in told

    def test_the_open_page_is_that_of_who_comes(self, client, ground):
        for worker in ("A", "B"):
            told = client.get(f"/w/{ground[worker].token}/verify/").content.decode()
            items = ground[worker].submission.assignment.items.all()
            assert all(str(item.key) in told for item in items)

    def test_a_newcomer_at_the_place_of_another_has_nothing_open(self, client, ground):
        token = ground.token(client, "new here", "place of B")
        assert visits.visit_of(token).submission.assignment is None
        assert client.get(f"/w/{token}/verify/").url == f"/w/{token}/"

    def test_a_stopped_worker_is_stopped_at_every_place(self, client, ground):
        for place in ("place of twin", "place of B", "another place"):
            token = ground.token(client, "twin", place)
            assert client.get(f"/w/{token}/").status_code == FORBIDDEN
            assert client.post(f"/w/{token}/start/").headers["X-Notice"] == "stopped"

    def test_who_has_both_ids_is_that_worker_at_that_place(self, client, ground):
        places, members = Submission.objects.count(), Membership.objects.count()
        visit = visits.visit_of(ground.token(client, "B", "place of B"))
        assert (visit.submission, visit.membership) == (ground["B"].submission, ground["B"].membership)
        assert (Submission.objects.count(), Membership.objects.count()) == (places, members)

    def test_a_place_of_another_listing_is_none_here(self, client, ground):
        elsewhere = posting_of(published("memory")).external_id
        assert ground.arrive(client, "B", "place of B", posting=elsewhere).status_code == 400

    def test_a_listing_is_not_found_by_another_provider(self, client, ground):
        ids = {"assignmentId": "place of B", "workerId": "B", "hitId": posting_of(ground.listing).external_id}
        assert client.get(f"/arrive/mturk/{ground.listing.key}/", ids).status_code == MISSING

    def test_signing_in_and_personal_links_change_nothing_of_it(self, client, ground, admin_client):
        client.cookies["member"] = ground["A"].membership.secret
        for visitor in (client, admin_client):
            answer = ground.arrive(visitor, "B", "place of B")
            assert answer.status_code == LOGIN
            assert visits.visit_of(answer.url.split("/")[2]).membership == ground["B"].membership
