"""The mask browser finds what it is asked for, page by page; a mask's page says why it is what it is."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from annotation_site.catalog.models import Annotation, Mask, Project, Role
from annotation_site.dashboards import mask_browser
from annotation_site.dashboards.mask_browser import SAID, Wanted, mask_page
from annotation_site.dashboards.mask_facts import drawn_on
from annotation_site.results import dataset
from annotation_site.results.dataset import CELLS, SIDES, count_on
from annotation_site.results.outcomes import Fate, outcome_of, outcomes_at, trees_of
from annotation_site.verification.ground import ground_of
from annotation_site.verification.models import Judgment, Says, Skill
from annotation_site.verification.overruling import overrule
from tests import factories
from tests.factories import NOON
from tests.site.campaigns import add_tree, opened, project_with_tree
from tests.site.test_rounds import PLACES, two_rounds
from tests.site.verified_projects import answer_all, own_images, tree_of, verified

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> User:
    return User.objects.create_user("ada", is_superuser=True)


@pytest.fixture
def admin(client: Client, ada: User) -> Client:
    client.force_login(ada)
    return client


@pytest.fixture(autouse=True)
def nothing_held() -> None:
    mask_browser.forget_scores()


def url(name: str, project: Project, *args: object) -> str:
    return reverse(f"dashboards:{name}", args=[project.slug, *args])


def mixed(**parameters: object) -> Project:
    """Two trees of differing scores, one answered by people who disagree now and then."""
    rng = np.random.default_rng(5)
    correct = rng.random(96) < np.repeat([0.97, 0.5, 0.05], 32)
    project = project_with_tree(
        correct, scores=rng.uniform(0.75, 0.99, 96), n_s=6, min_size=8, k_a=0.8, **parameters
    )
    add_tree(project.rounds.get(), [True] * 32, scores=rng.uniform(0.75, 0.99, 32))
    own_images(project)
    opened(project)
    answer_all(project, says=lambda item: Says(rng.choice(["yes", "no"], p=[0.85, 0.15])))
    return project


def brute(project: Project, wanted: Wanted) -> list[int]:
    """Primary keys of the masks that are wanted, one by one."""
    found = []
    for tree in mask_browser.trees_of(project):
        if wanted.tree not in (None, tree.pk):
            continue
        outcome = outcome_of(tree)
        rows = Mask.objects.filter(tree=tree).order_by("position")
        for mask in rows:
            fate = outcome.fate(outcome.segment_at(mask.position), mask.position)
            said = wanted.said == "" or (
                mask.position in outcome.ruled
                if wanted.said == mask_browser.BY_HAND
                else mask.position in outcome.answers and SAID[wanted.said](outcome, mask.position)
            )
            if (
                wanted.fate in ("", fate.value)
                and said
                and wanted.low <= np.float32(mask.score) <= wanted.high
            ):
                found.append((mask.score, mask.position, mask.pk))
    if wanted.order == "best":
        found.sort(key=lambda row: (-np.float32(row[0]), row[1]))
    if wanted.order == "worst":
        found.sort(key=lambda row: (np.float32(row[0]), row[1]))
    return [row[2] for row in found]


def paged(project: Project, wanted: Wanted, size: int) -> list[int]:
    """The same, by pages of the browser."""
    found: list[int] = []
    while True:
        page = mask_page(project, wanted, size=size)
        assert len(page.rows) <= size
        found += [row.tile.mask.pk for row in page.rows]
        if page.after is None:
            return found
        wanted = replace(wanted, after=page.after)


@pytest.mark.parametrize("size", [7, 60])
def test_pages_hold_every_mask_that_is_wanted_once_and_in_order(size: int, ada: User) -> None:
    project = mixed()
    tree = mask_browser.trees_of(project).first()
    overrule(tree=tree, node=0, verdict="accept", reason="x", by=ada, at=NOON)
    overrule(tree=tree, node=2 * tree.n - 2, verdict="reject", reason="x", by=ada, at=NOON)
    wishes = [Wanted(), Wanted(low=0.8, high=0.9), *(Wanted(fate=fate.value) for fate in Fate)]
    wishes += [Wanted(said=said) for said in (*SAID, mask_browser.BY_HAND)]
    wishes += [Wanted(tree=tree.pk, order=order) for order in mask_browser.ORDERS]
    wishes += [
        Wanted(tree=tree.pk, fate="accepted", low=0.85, order="worst"),
        Wanted(fate="rejected", said="no"),
    ]
    for wanted in wishes:
        assert paged(project, wanted, size) == brute(project, wanted), wanted


def test_a_search_that_takes_long_says_so_and_goes_on_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    project = mixed()
    monkeypatch.setattr(mask_browser, "SECONDS", -1.0)
    page = mask_page(project, Wanted(said="confirmed"))
    assert page.searched
    assert paged(project, Wanted(said="yes"), 60) == brute(project, Wanted(said="yes"))


def test_masks_of_one_image_alone(admin: Client) -> None:
    project = mixed()
    mask = Mask.objects.filter(tree__round__project=project).first()
    assert [row.tile.mask for row in mask_page(project, Wanted(image=mask.image_id)).rows] == [mask]
    page = admin.get(url("masks", project), {"image": mask.image.name}).content.decode()
    assert page.count("outline-line") == 1
    assert (
        "No image of the pool" in admin.get(url("masks", project), {"image": "nowhere.png"}).content.decode()
    )


def test_refused_masks_of_accepted_clusters_are_found(admin: Client) -> None:
    project = project_with_tree([True] * 64)
    own_images(project)
    opened(project)
    position = int(ground_of(tree_of(project).pk).sample(0)[0])
    answer_all(project, says=lambda item: Says.NO if item.question.position == position else Says.YES)
    (row,) = mask_page(project, Wanted(said="refused")).rows
    assert row.fate is Fate.REJECTED
    assert row.tile.says == ["no"]
    page = admin.get(url("mask", project, row.tile.mask.pk)).content.decode()
    assert "People said no to this very mask" in page


def test_pages_link_to_the_next_and_keep_the_filter(admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    project = mixed()
    monkeypatch.setattr("annotation_site.dashboards.masks.mask_page", lambda *args: mask_page(*args, size=10))
    tree = mask_browser.trees_of(project).first()
    seen, address = [], f"?tree={tree.pk}&order=best&low=0.8"
    while address:
        page = admin.get(url("masks", project) + address).content.decode()
        seen += re.findall(r"/masks/(\d+)\.jpg", page)
        found = re.search(r'rel="next" href="([^"]+)"', page)
        address = found[1].replace("&amp;", "&") if found else ""
    assert [int(key) for key in seen] == brute(project, Wanted(tree=tree.pk, order="best", low=0.8))


def test_what_is_no_filter_is_named(admin: Client) -> None:
    project = mixed()
    page = admin.get(
        url("masks", project), {"low": "high", "fate": "burnt", "tree": "999999", "after": "x_y"}
    )
    assert page.status_code == 200
    assert page.content.decode().count('class="error"') == 3


def test_a_masks_page_tells_its_answers_and_whose_they_were(admin: Client) -> None:
    project = verified([True] * 64)
    judgment = Judgment.objects.select_related("question", "worker").first()
    Judgment.objects.filter(pk=judgment.pk).update(retracted_at=NOON, retracted_because="always yes")
    page = admin.get(url("mask", project, judgment.question.mask_id)).content.decode()
    assert str(judgment.worker) in page
    assert "always yes" in page
    assert "Its cluster of 64 masks was sampled" in page
    other = project_with_tree([True] * 4)
    assert admin.get(url("mask", other, judgment.question.mask_id)).status_code == 404


@pytest.mark.parametrize(("position", "iou"), [(0, "1.000"), (1, "0.333")])
def test_a_masks_page_tells_its_iou_with_the_ground_truth(admin: Client, position: int, iou: str) -> None:
    project = verified([True, False] * 16)
    Mask.objects.update(iou=None)
    mask = Mask.objects.get(tree__round__project=project, position=position)
    told = f"<dt>IoU with the ground truth</dt><dd>{iou}</dd>"
    assert told in admin.get(url("mask", project, mask.pk)).content.decode()
    mask.image.annotations.update(is_crowd=True)
    assert told.replace(iou, "0.000") in admin.get(url("mask", project, mask.pk)).content.decode()


def test_a_masks_page_tells_no_iou_where_the_objects_are_not_known(admin: Client) -> None:
    project = verified([True] * 8, annotated=False)
    page = admin.get(url("mask", project, Mask.objects.first().pk))
    assert page.status_code == 200
    assert "IoU with the ground truth" not in page.content.decode()


def test_a_mask_is_overruled_on_its_own_page(admin: Client) -> None:
    project = verified([True] * 64)
    mask = Mask.objects.get(tree__round__project=project, position=9)
    page = admin.get(url("mask", project, mask.pk)).content.decode()
    action = re.search(r'action="([^"]+/rule/)"', page)[1]
    admin.post(action, {"verdict": "reject", "reason": "cut off", "next": url("mask", project, mask.pk)})
    page = admin.get(url("mask", project, mask.pk)).content.decode()
    assert "decided on this very mask by hand: reject" in page
    assert "cut off" in page


def test_an_image_is_drawn_with_all_its_masks(admin: Client) -> None:
    project = verified([True] * 16, min_size=4)
    first, second = Mask.objects.filter(tree__round__project=project)[:2]
    Mask.objects.filter(pk=second.pk).update(image=first.image)
    assert {one.mask for one in drawn_on(first.image)} == {first, second}
    page = admin.get(url("image", project, first.image_id)).content.decode()
    assert page.count('class="drawn is-accepted"') == 2
    heldout = factories.ImageFactory(project=project, role=Role.HELDOUT)
    assert admin.get(url("image", project, heldout.pk)).status_code == 404
    assert admin.get(url("photo", project, first.image_id)).status_code == 404


def test_a_photo_is_shown_whole(admin: Client, tmp_path) -> None:
    image = factories.PaintedImageFactory(folder=tmp_path)
    found = admin.get(url("photo", image.project, image.pk))
    assert found.content[:3] == b"\xff\xd8\xff"
    assert admin.get(url("photo", factories.ProjectFactory(), image.pk)).status_code == 404


def test_the_dataset_counts_each_accepted_mask_once(admin: Client, ada: User) -> None:
    project = mixed()
    drawn = factories.ImageFactory(project=project, role=Role.INITIAL)
    factories.AnnotationFactory(image=drawn, category=project.categories.first())
    tree = mask_browser.trees_of(project).first()
    overrule(tree=tree, node=1, verdict="accept", reason="x", by=ada, at=NOON)
    figures = count_on(project, seconds=float("inf")).figures
    accepted = sum(outcome_of(tree).accepted for tree in trees_of(project))
    assert figures.accepted.masks == accepted == sum(figures.accepted.sizes)
    assert sum(sum(row) for row in figures.accepted.centres) == accepted
    assert sum(n for _, n, _ in figures.categories) == accepted
    assert sum(count * images for count, images in enumerate(figures.accepted.per_image, 1)) == accepted
    assert (figures.initial.masks, figures.initial.images) == (1, 1)
    # Every mask and annotation of these tests is at 10, 8 with sides of 20 and 16 in photos of 64 x 48.
    assert figures.initial.centres[16 * CELLS // 48][20 * CELLS // 64] == 1
    assert figures.initial.sizes[int(SIDES * (20 * 16 / (64 * 48)) ** 0.5)] == 1


def test_counting_goes_on_part_by_part_until_it_is_through(
    admin: Client, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = mixed()
    overrule(
        tree=mask_browser.trees_of(project).first(), node=1, verdict="accept", reason="x", by=ada, at=NOON
    )
    whole = count_on(project, seconds=float("inf")).figures
    cache.clear()
    monkeypatch.setattr(dataset, "AT_ONCE", 7)
    steps = [count_on(project, seconds=0)]
    while steps[-1].figures is None:
        steps.append(count_on(project, seconds=0))
    assert len(steps) > 10
    assert [step.done for step in steps] == sorted(step.done for step in steps)
    assert steps[-1].figures == whole
    told = admin.get(url("dataset-figures", project)).json()
    assert told["done"] == told["of"] == 128
    Annotation.objects.filter(image__project=project).first().delete()
    assert count_on(project, seconds=0).done < 128


def outcomes_are_the_same(project: Project) -> None:
    """Read for some leaves alone, or with their whole trees."""
    trees = list(trees_of(project))
    found = outcomes_at({tree: range(tree.n) for tree in trees})
    for tree in trees:
        whole = outcome_of(tree)
        for position in range(tree.n):
            one = outcomes_at({tree: [position]})[tree.pk]
            for told in (found[tree.pk], one):
                assert told.fate_at(position) == whole.fate_at(position)
                assert told.answers.get(position) == whole.answers.get(position)
                assert told.segment_at(position).overruling == whole.segment_at(position).overruling
                assert told.segment_at(position).decision == whole.segment_at(position).decision


def test_what_became_of_some_masks_is_read_without_their_trees(ada: User) -> None:
    project = mixed(aggregation="accuracy_weighted")
    worker = Judgment.objects.first().worker
    for tree in trees_of(project):
        Skill.objects.create(tree=tree, worker=worker, sensitivity=0.9, specificity=0.2)
    tree = mask_browser.trees_of(project).first()
    for node, verdict in ((1, "reject"), (2 * tree.n - 2, "accept"), (2, "accept")):
        overrule(tree=tree, node=node, verdict=verdict, reason="x", by=ada, at=NOON)
    outcomes_are_the_same(project)


def test_so_is_what_a_later_round_replaced() -> None:
    project, _ = two_rounds(((PLACES[0], 14, 0.8),))
    outcomes_are_the_same(project)
    assert {outcomes_at({tree: [0]})[tree.pk].fate_at(0) for tree in trees_of(project)} == {
        Fate.REPLACED,
        Fate.ACCEPTED,
    }


@pytest.mark.parametrize(
    ("chart", "rows"), [("per-image", 30), ("centres", CELLS**2), ("sizes", SIDES), ("categories", 2)]
)
def test_the_numbers_behind_each_chart_come_as_csv(admin: Client, chart: str, rows: int) -> None:
    project = mixed()
    answer = admin.get(url("dataset-numbers", project, chart))
    assert answer.headers["Content-Type"].startswith("text/csv")
    assert len(list(csv.reader(io.StringIO(answer.getvalue().decode())))) == rows + 1
    assert admin.get(url("dataset-numbers", project, "nothing")).status_code == 404
