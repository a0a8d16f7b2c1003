"""Trying to tell gold from real masks, channel by channel, with all that a worker's browser ever gets.

Each channel is a function from one item, as a browser sees it, to something that might differ. Where it is a
constant, gold and real must show the same values; where it varies, gold must not be where real masks are not:
a rank test over many pages, on fixed seeds. What a mask shows, a crop of its own, is no channel.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from django.core.files.storage import storages
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from PIL import Image as Picture
from scipy.stats import mannwhitneyu

from annotation_site.catalog.models import Project
from annotation_site.people.models import Membership, Standing
from annotation_site.people.policies import set_policy
from annotation_site.verification.claiming import claim_hit
from annotation_site.verification.leases import sweep
from annotation_site.verification.models import Assignment, Item
from tests.factories import MembershipFactory
from tests.scene_campaigns import Campaign, scene_campaign

pytestmark = pytest.mark.django_db

Told = dict[str, Any]
HIT = re.compile(r'<script id="hit" type="application/json">(.*?)</script>', re.DOTALL)
PAGES = 4
UNLIKELY = 0.002
"""A p-value below says that a channel tells gold: one test of many on fixed seeds."""


@dataclass
class Seen:
    """All that a browser gets of one item.

    Attributes
    ----------
    place : of the card in the page, from 0 to 1
    card : its entry in the page's JSON
    crop, whole : headers and bytes of the two photos
    kept : files that the first look at the crop left in the cache
    statements : that the server ran for the crop: what its time depends on
    answer, undo, again : status, headers and body of an answer, its undo, and the same answer once more
    """

    is_gold: bool
    place: float
    card: dict[str, object]
    crop: tuple[dict[str, str], bytes] = ({}, b"")
    whole: tuple[dict[str, str], bytes] = ({}, b"")
    kept: int = 0
    statements: list[str] = field(default_factory=list)
    answer: tuple[int, dict[str, str], dict[str, object]] = (0, {}, {})
    undo: tuple[int, dict[str, str], dict[str, object]] = (0, {}, {})
    again: tuple[int, dict[str, str], dict[str, object]] = (0, {}, {})

    @property
    def key(self) -> str:
        return str(self.card["key"])


@pytest.fixture
def campaign(tmp_path, settings) -> Campaign:
    """A campaign whose pages are half gold."""
    settings.ANSWER_SLOT_MS = 0
    asked = {"rule": "paper", "n_s": 60, "hit_size": 24, "gold_share": 0.5}
    return scene_campaign(tmp_path, scenes=24, gold=48, seed=5, **asked)


@pytest.fixture
def pages(client: Client, campaign: Campaign) -> list[list[Seen]]:
    """What the browsers of several workers get of a page each, all of it answered."""
    return [_page(client, campaign.project, seed) for seed in range(PAGES)]


def _page(client: Client, project: Project, seed: int) -> list[Seen]:
    told, seen = _opened(client, _newcomer(project), seed)
    return [_seen(client, told, item) for item in seen]


def _newcomer(project: Project) -> Membership:
    return MembershipFactory(project=project, standing=Standing.QUALIFIED)


def _opened(client: Client, member: Membership, seed: int) -> tuple[Told, list[Seen]]:
    """The JSON of a page that a worker opens, and its items."""
    hit = claim_hit(membership=member, at=timezone.now(), rng=np.random.default_rng(seed))
    content = client.get(f"/w/{member.secret}/verify/").content.decode()
    told = json.loads(HIT.search(content)[1])
    kinds = {str(key): gold is not None for key, gold in _kinds(hit)}
    assert len(told["items"]) == len(kinds)
    told["remaining"] = sum(card["answer"] is None for card in told["items"])
    cards = enumerate(told["items"])
    return told, [Seen(kinds[card["key"]], place / (len(kinds) - 1), card) for place, card in cards]


def _kinds(hit: Assignment) -> list[tuple[UUID, int | None]]:
    return list(Item.objects.filter(assignment=hit).values_list("key", "question__gold"))


def _seen(client: Client, told: Told, item: Seen) -> Seen:
    files = storages["crops"]
    before = _files(files)
    with CaptureQueriesContext(connection) as captured:
        item.crop = _got(client, item.card["crop"])
    item.kept = len(_files(files)) - len(before)
    item.statements = [_shape(query["sql"]) for query in captured.captured_queries]
    item.whole = _got(client, item.card["whole"])
    if item.place < 1:  # The last one ends the HIT, and nothing of it can be undone then.
        item.answer = _sent(client, told, item, "answer")
        item.undo = _sent(client, told, item, "undo")
        item.again = _sent(client, told, item, "answer")
    return item


def _files(files) -> set[str]:
    return {str(path) for path in Path(files.location).rglob("*") if path.is_file()}


def _shape(sql: str) -> str:
    """A statement without its values."""
    return re.sub(r"'[^']*'|\b\d+\b", "?", sql)


def _got(client: Client, url: object) -> tuple[dict[str, str], bytes]:
    response = client.get(str(url))
    assert response.status_code == 200
    return dict(response.headers), response.content


def _sent(
    client: Client, told: Told, item: Seen, verb: str, says: str = "yes"
) -> tuple[int, dict[str, str], dict[str, object]]:
    """Status, headers and body; instead of what remains of the page, by how much that has changed."""
    body = {"says": says, "elapsed_ms": 1400} if verb == "answer" else {}
    response = client.post(
        f"{told['api']}{item.key}/{verb}",
        json.dumps(body),
        content_type="application/json",
        headers={"Authorization": f"Worker {told['token']}"},
    )
    reply = response.json()
    before = told["remaining"]
    told["remaining"] = reply.get("remaining", before)
    reply["remaining"] = told["remaining"] - before
    return response.status_code, dict(response.headers), reply


def without_key(text: object, item: Seen) -> str:
    return str(text).replace(item.key, "KEY").replace(item.key.replace("-", ""), "KEY")


def headers(response: tuple, item: Seen) -> str:
    """Of a response, without what every photo, and every request, has of its own."""
    found = next(part for part in response if isinstance(part, dict))
    own = ("Content-Length", "X-Request-ID")
    return without_key(sorted((k, v) for k, v in found.items() if k not in own), item)


def picture(content: bytes) -> Picture.Image:
    return Picture.open(io.BytesIO(content))


def path_shape(item: Seen) -> str:
    """The commands and the number of decimals of an outline, each once."""
    outline = str(item.card["outline"])
    decimals = {len(number.partition(".")[2]) for number in re.findall(r"-?\d+(?:\.\d+)?", outline)}
    commands = set(re.sub(r"[-\d., ]", "", outline))
    return f"{sorted(commands)} {sorted(decimals)}"


def points(item: Seen) -> int:
    return len(re.findall(r"\d+(?:\.\d+)?", str(item.card["outline"]))) // 2


CONSTANT: dict[str, Callable[[Seen], object]] = {
    "fields of the JSON": lambda item: [(name, type(value).__name__) for name, value in item.card.items()],
    "addresses": lambda item: without_key([item.card["crop"], item.card["whole"]], item),
    "kind of key": lambda item: (len(item.key), UUID(item.key).version, UUID(item.key).variant),
    "standing answer": lambda item: item.card["answer"],
    "outline": path_shape,
    "headers of the crop": lambda item: headers(item.crop, item),
    "headers of the whole photo": lambda item: headers(item.whole, item),
    "compression": lambda item: [
        (p.format, p.mode, sorted(p.info), str(p.quantization))  # type: ignore[attr-defined]
        for p in map(picture, (item.crop[1], item.whole[1]))
    ],
    "announced size is the crop's": lambda item: tuple(item.card["size"]) == picture(item.crop[1]).size,
    "metadata": lambda item: dict(picture(item.crop[1]).getexif()),
    "what is kept after the first look": lambda item: item.kept,
    "statements behind a crop": lambda item: item.statements,
    "answer": lambda item: (item.answer[0], item.answer[2], headers(item.answer, item)),
    "undo": lambda item: (item.undo[0], item.undo[2], headers(item.undo, item)),
    "answer again": lambda item: (item.again[0], item.again[2], headers(item.again, item)),
}

VARYING: dict[str, Callable[[Seen], float]] = {
    "place": lambda item: item.place,
    "bytes a pixel": lambda item: len(item.crop[1]) / np.prod(picture(item.crop[1]).size),
    "size of the crop": lambda item: float(np.prod(picture(item.crop[1]).size)),
    "size of the whole photo": lambda item: float(np.prod(item.card["image"])),
    "length of the outline": lambda item: len(str(item.card["outline"])),
    "points of the outline for its size": lambda item: points(item) / sum(item.card["box"][2:]),
    "share of the photo": lambda item: float(np.prod(item.card["box"][2:]) / np.prod(item.card["image"])),
}


def test_no_channel_tells_gold_from_real_masks(pages: list[list[Seen]]) -> None:
    seen = [item for page in pages for item in page]
    gold = [item for item in seen if item.is_gold and item.place < 1]
    real = [item for item in seen if not item.is_gold and item.place < 1]
    assert min(len(gold), len(real)) >= 40
    assert _differ(lambda item: item.is_gold, gold, real)  # The test of the tests: they see what there is.
    assert _lie_apart(lambda item: item.place + item.is_gold, gold, real)
    assert [name for name, channel in CONSTANT.items() if _differ(channel, gold, real)] == []
    assert [name for name, channel in VARYING.items() if _lie_apart(channel, gold, real)] == []
    _shares_nothing(seen)
    assert {len(page) for page in pages} == {24}


def _differ(channel: Callable[[Seen], object], gold: list[Seen], real: list[Seen]) -> bool:
    return {repr(channel(item)) for item in gold} != {repr(channel(item)) for item in real}


def _lie_apart(channel: Callable[[Seen], float], gold: list[Seen], real: list[Seen]) -> bool:
    first, second = [channel(item) for item in gold], [channel(item) for item in real]
    return len({*first, *second}) > 1 and mannwhitneyu(first, second).pvalue < UNLIKELY


def _shares_nothing(seen: list[Seen]) -> None:
    """Gold comes to one worker after the other: neither its address nor its key nor its cache may say so."""
    assert len({item.key[:6] for item in seen}) > 0.9 * len(seen)
    assert len({item.crop[0]["ETag"] for item in seen}) == len(seen)
    keys = [int(item.key.replace("-", ""), 16) for item in seen]
    assert keys != sorted(keys)


def _leases_end() -> None:
    assert sweep(at=timezone.now() + timedelta(hours=1)) == 1


def _mask(item: Seen) -> str:
    """What a worker knows a mask by when it comes again."""
    return repr((item.card["outline"], item.card["box"], item.card["category"]))


def test_what_comes_again_when_a_lease_has_ended_is_gold_as_often_as_not(
    client: Client, campaign: Campaign
) -> None:
    """Whether nobody else was at work, or somebody took a half of what it left, or others go first."""
    for others, most_left, share in ((False, 0, 1), (True, 0, 0.5), (False, 3, 0)):
        set_policy(project=campaign.project, most_left=most_left)
        first, second = [], []
        for seed in range(PAGES):
            member = _newcomer(campaign.project)
            first.append(_opened(client, member, seed)[1])
            _leases_end()
            if others:
                told, seen = _opened(client, _newcomer(campaign.project), seed)
                for item in seen[::2]:
                    assert _sent(client, told, item, "answer")[0] == 200
                _leases_end()
            second.append(_opened(client, member, PAGES + seed)[1])
            _leases_end()
        again = [_share_of(before, after) for before, after in zip(first, second, strict=True)]
        assert np.mean([real for _, real in again]) == pytest.approx(share, abs=0.1)
        assert all(abs(gold - real) <= 1 / 12 for gold, real in again), again
        new = [_share_of(after, before) for before, after in zip(first, second, strict=True)]
        assert all(abs(gold - real) <= 1 / 12 for gold, real in new), new


def _share_of(these: list[Seen], those: list[Seen]) -> tuple[float, float]:
    """Which shares of the gold, and of the real masks, of one page are on another one."""
    there = {_mask(item) for item in those}
    gold = [_mask(item) in there for item in these if item.is_gold]
    real = [_mask(item) in there for item in these if not item.is_gold]
    return float(np.mean(gold)), float(np.mean(real))


@pytest.mark.parametrize("before", [0, 8], ids=["all", "some before"])
def test_answers_that_come_late_are_told_alike(client: Client, campaign: Campaign, before: int) -> None:
    """While the next page is open, on that page itself, and when both are over."""
    set_policy(project=campaign.project, most_left=0)  # So that the next page has the same masks again.
    member = _newcomer(campaign.project)
    told, first = _opened(client, member, 0)
    _leases_end()
    assert _alike(client, told, first[:before], "yes")
    now, second = _opened(client, member, 1)
    late = first[before:]
    assert _alike(client, told, late, "yes")
    assert _alike(client, told, late, "no")
    assert not _differ(lambda item: _sent(client, told, item, "undo")[::2], *_by_kind(late))
    now["remaining"] = 0
    if before:  # Else all of the second page is answered by that.
        now, second = _opened(client, member, 1)
        again = {_mask(item): item for item in second}
        asked = [again[_mask(item)] for item in late]
        assert {item.card["answer"] for item in asked} == {"yes"}
        assert _alike(client, now, asked, "no")
        _leases_end()
    assert _alike(client, told, first, "no")
    assert _alike(client, now, second, "no")


def test_late_answers_are_told_alike_where_the_next_page_has_other_masks(
    client: Client, campaign: Campaign
) -> None:
    member = _newcomer(campaign.project)
    told, first = _opened(client, member, 0)
    _leases_end()
    _, second = _opened(client, member, 1)
    assert not {_mask(item) for item in first} & {_mask(item) for item in second}
    assert _alike(client, told, first, "yes")
    assert _alike(client, told, first, "no")
    assert not _differ(lambda item: _sent(client, told, item, "undo")[::2], *_by_kind(first))


def _alike(client: Client, told: Told, items: list[Seen], says: str) -> bool:
    """Whether the same is told back of gold and of real masks; the headers, too."""

    def reply(item: Seen) -> object:
        status, _, body = sent = _sent(client, told, item, "answer", says)
        return status, body, headers(sent, item)

    return not _differ(reply, *_by_kind(items))


def _by_kind(items: list[Seen]) -> tuple[list[Seen], list[Seen]]:
    kinds = [item for item in items if item.is_gold], [item for item in items if not item.is_gold]
    assert not items or min(map(len, kinds)) >= 3
    return kinds
