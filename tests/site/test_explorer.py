"""The explorer: which nodes a screen shows, where the keys lead, and what a node's panel says."""

from __future__ import annotations

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from annotation_site.access.granting import grant
from annotation_site.access.models import Access
from annotation_site.catalog.models import Project, Role
from annotation_site.dashboards.groves import Grove, Status, Window, visible, walk
from annotation_site.dashboards.node_facts import NodeFacts
from annotation_site.verification.models import Cluster, Decision, Overruling
from annotation_site.verification.overruling import overrule
from pipeline.sampling import leaf_keys
from tests.factories import NOON, TreeFactory
from tests.pipeline.made_trees import random_tree
from tests.site.campaigns import opened, project_with_tree
from tests.site.verified_projects import tree_of, verified

HALVES = [True] * 32 + [False] * 32


def bare(n: int, seed: int, *, chained: float = 0.3) -> Grove:
    """A tree about which nobody said anything."""
    tree = random_tree(n, np.random.default_rng(seed), chained=chained)
    bounds, fates = np.array([0, n]), np.array([Status.UNASKED], dtype=np.int8)
    return Grove(0, tree, leaf_keys(n, seed=seed), {}, frozenset(), bounds, fates)


@given(st.integers(1, 60), st.integers(0, 2**32 - 1), st.data())
def test_a_window_shows_just_the_nodes_that_lie_in_it_and_can_be_drawn(
    n: int, seed: int, data: st.DataObject
) -> None:
    grove = bare(n, seed)
    lo = data.draw(st.integers(0, n - 1))
    window = Window(
        lo, data.draw(st.integers(lo + 1, n)), data.draw(st.integers(0, 8)), data.draw(st.integers(1, 8)),
        data.draw(st.integers(1, 4)),
    )  # fmt: skip
    tree = grove.tree
    expected = [
        c for c in range(2 * n - 1)
        if tree.lo[c] < window.hi and tree.hi[c] > window.lo
        and window.top <= tree.depth[c] < window.top + window.rows
        and (tree.size(c) >= window.least)
    ]  # fmt: skip
    assert visible(grove, window).tolist() == expected


@given(st.integers(1, 60), st.integers(0, 2**32 - 1))
def test_the_keys_lead_back_to_where_one_came_from(n: int, seed: int) -> None:
    grove = bare(n, seed)
    for node in range(2 * n - 1):
        to = walk(grove, node)
        if "down" in to:
            assert walk(grove, to["down"])["up"] == node == walk(grove, to["second"])["up"]
        if "right" in to:
            assert (
                grove.tree.lo[to["right"]] == grove.tree.hi[node]
                or grove.tree.depth[to["right"]] < grove.tree.depth[node] + 1
            )
            assert grove.tree.depth[to["right"]] <= grove.tree.depth[node]
            assert grove.tree.lo[to["right"]] <= grove.tree.hi[node] < grove.tree.hi[to["right"]]


@given(st.integers(1, 60), st.integers(0, 2**32 - 1), st.integers(0, 59))
def test_a_leaf_is_found_by_its_position(n: int, seed: int, position: int) -> None:
    grove = bare(n, seed)
    leaf = grove.leaf(position % n)
    assert (grove.tree.lo[leaf], grove.tree.hi[leaf]) == (position % n, position % n + 1)


pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> User:
    return User.objects.create_user("ada", is_superuser=True)


@pytest.fixture
def admin(client: Client, ada: User) -> Client:
    client.force_login(ada)
    return client


def node_at(project: Project, lo: int, hi: int) -> int:
    tree = Grove.of(tree_of(project)).tree
    return int(np.flatnonzero((tree.lo == lo) & (tree.hi == hi))[0])


def url(name: str, project: Project, *args: object) -> str:
    return reverse(f"dashboards:{name}", args=[project.slug, *args])


def test_nodes_are_coloured_by_what_became_of_them() -> None:
    project = verified(HALVES)
    grove = Grove.of(tree_of(project))
    assert grove.status_of(0) is Status.SPLIT
    assert grove.status_of(node_at(project, 0, 32)) is Status.ACCEPT
    assert grove.status_of(node_at(project, 4, 8)) is Status.ACCEPT
    assert grove.status_of(node_at(project, 32, 64)) is Status.REJECT
    assert grove.shares(0) == {Status.ACCEPT: 32, Status.REJECT: 32}


def test_a_verdict_by_hand_colours_its_node_and_leaves_the_rest(ada: User) -> None:
    project = verified(HALVES)
    node = node_at(project, 8, 16)
    overrule(tree=tree_of(project), node=node, verdict="reject", reason="blurred", by=ada, at=NOON)
    grove = Grove.of(tree_of(project))
    assert grove.status_of(node) is Status.REJECT
    assert grove.status_of(node_at(project, 0, 8)) is Status.ACCEPT
    assert grove.status_of(node_at(project, 0, 16)) is Status.PARTS
    assert grove.shares(0) == {Status.ACCEPT: 24, Status.REJECT: 40}


def test_open_clusters_and_those_never_asked_about_are_told_apart() -> None:
    project = opened(project_with_tree([True] * 64))
    assert Grove.of(tree_of(project)).status_of(0) is Status.OPEN
    unasked = project_with_tree([True] * 64, scores=np.full(64, 0.1))
    assert Grove.of(tree_of(opened(unasked))).status_of(0) is Status.UNASKED


def test_a_mosaic_begins_with_the_masks_that_people_answered() -> None:
    project = verified([True] * 64)
    facts = NodeFacts(project, tree_of(project), Grove.of(tree_of(project)), 0)
    answered = [bool(tile.says) for tile in facts.mosaic]
    assert answered == sorted(answered, reverse=True)
    assert sum(answered) >= 13
    assert len(facts.mosaic) == 24
    yes, no = facts.answered
    assert (yes, no) == (sum(answered), 0)
    assert facts.quality.low < facts.quality.value == 1.0


def test_the_panel_says_what_was_decided_and_on_which_evidence(admin: Client) -> None:
    project = verified([True] * 64)
    decision = Decision.objects.get()
    page = admin.get(url("tree", project, tree_of(project).pk)).content.decode()
    assert f"{decision.yes} yes and {decision.no} no of a sample of {decision.sample}" in page
    part = admin.get(url("node", project, tree_of(project).pk, 5), {"part": "node"}).content.decode()
    assert "<html" not in part
    assert "Part of a cluster whose decision is accept" in part


def test_a_node_that_is_not_there_is_not_found(admin: Client) -> None:
    project = verified([True] * 16)
    tree = tree_of(project)
    assert admin.get(url("node", project, tree.pk, 31)).status_code == 404
    assert admin.get(url("tree", project, tree.pk + 1)).status_code == 404
    other = project_with_tree([True] * 4)
    assert admin.get(url("tree", other, tree.pk)).status_code == 404
    heldout = TreeFactory(round=tree.round, role=Role.HELDOUT)
    assert admin.get(url("tree", project, heldout.pk)).status_code == 404


def test_the_window_comes_as_columns(admin: Client) -> None:
    project = verified(HALVES)
    tree = tree_of(project)
    told = admin.get(url("visible", project, tree.pk), {"least": 16, "rows": 3}).json()
    assert told["lo"] == [0, 0, 0, 16, 32, 32, 48]
    assert told["status"] == [4, 1, 1, 1, 2, 2, 2]
    assert told["node"][0] in told["asked"]
    assert (
        admin.get(
            url("visible", project, tree.pk), {"lo": "x", "hi": "-3", "rows": "99999999999999"}
        ).status_code
        == 200
    )


def test_an_admin_overrules_and_undoes_on_the_pages(admin: Client) -> None:
    project = verified([True] * 64)
    tree = tree_of(project)
    answer = admin.post(url("rule", project, tree.pk, 1), {"verdict": "reject", "reason": "blurred"})
    assert answer.headers["Location"] == url("node", project, tree.pk, 1)
    said = Overruling.objects.get()
    assert (said.verdict, said.reason, said.by.username) == ("reject", "blurred", "ada")
    assert "blurred" in admin.get(url("verdicts", project)).content.decode()
    admin.post(url("undo", project, said.pk), {"next": "https://elsewhere.example/"})
    assert not Overruling.objects.standing().exists()


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"verdict": "accept", "reason": " "}, "Give a reason"),
        ({"verdict": "burn", "reason": "x"}, "Choose accept, reject or reopen"),
        ({"verdict": "reopen", "reason": "x"}, "no decision to reopen"),
    ],
)
def test_what_cannot_be_recorded_is_said_on_the_page(admin: Client, body: dict[str, str], told: str) -> None:
    project = verified([True] * 64)
    page = admin.post(url("rule", project, tree_of(project).pk, 3), body, follow=True)
    assert told in page.content.decode()
    assert not Overruling.objects.exists()


def test_who_may_only_look_is_offered_no_verdict(client: Client) -> None:
    project = verified([True] * 64)
    viewer = User.objects.create_user("viewer")
    grant(project=project, user=viewer, access=Access.VIEWER)
    client.force_login(viewer)
    page = client.get(url("tree", project, tree_of(project).pk)).content.decode()
    assert "Decide by hand" not in page
    refused = client.post(url("rule", project, tree_of(project).pk, 0), {"verdict": "accept", "reason": "x"})
    assert refused.status_code == 403


def test_two_nodes_stand_side_by_side(admin: Client) -> None:
    project = verified(HALVES)
    tree = tree_of(project)
    page = admin.get(url("compare", project), {"a": f"{tree.pk}-1", "b": f"{tree.pk}-0"}).content.decode()
    assert page.count('class="node"') == 2
    for wrong in ("", "x-1", f"{tree.pk}-", f"{tree.pk}-999"):
        assert admin.get(url("compare", project), {"a": wrong, "b": f"{tree.pk}-0"}).status_code == 404


def test_the_list_of_trees_says_what_became_of_each(admin: Client, ada: User) -> None:
    project = verified(HALVES)
    overrule(
        tree=tree_of(project), node=node_at(project, 0, 8), verdict="reject", reason="x", by=ada, at=NOON
    )
    page = admin.get(url("trees", project)).content.decode()
    assert "24 accepted, 40 rejected, 0 open" in page
    assert not Cluster.objects.filter(is_open=True).exists()


def test_a_project_without_trees_has_pages_all_the_same(admin: Client) -> None:
    project = TreeFactory(role=Role.HELDOUT).round.project
    for name in ("trees", "masks", "dataset", "dataset-figures", "verdicts"):
        assert admin.get(url(name, project)).status_code == 200, name
