"""Pages of project admins: who sees them, and what they say of the facts."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from annotation_site.budget.caps import set_caps
from annotation_site.catalog.models import Project, StageRun
from annotation_site.catalog.stage_rows import rows_of
from annotation_site.dashboards import selectors
from annotation_site.dashboards.overview import Figures
from annotation_site.results.course import BINS, course_of
from annotation_site.verification.ground import ground_of
from annotation_site.verification.models import (
    UNDONE,
    Assignment,
    Cluster,
    Decision,
    Item,
    Judgment,
    Question,
)
from tests import factories
from tests.factories import NOON
from tests.site.campaigns import Person, counted_queries, opened, project_with_tree

pytestmark = pytest.mark.django_db

PAGES = ("project", "live", "curve", "decisions", "report")


@pytest.fixture
def admin(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("ada"))
    return client


def categories(project: Project) -> list[dict]:
    return selectors.categories(project, course_of(project))


def decided(tree, lo: int, hi: int, verdict: str, *, minute: int = 0, yes: int = 13, no: int = 2) -> Decision:
    cluster = Cluster.objects.create(
        tree=tree, node=lo * 1000 + hi, lo=lo, hi=hi, mean_score=0.8, priority=0.8, sample_size=15,
        is_open=False, opened_at=NOON,
    )  # fmt: skip
    return Decision.objects.create(
        cluster=cluster, tree=tree, interval=(lo, hi), verdict=verdict, yes=yes, no=no, sample=15,
        rule="curtailed", at=NOON + timedelta(minutes=minute),
    )  # fmt: skip


def answered(
    project: Project, mask=None, gold=None, *, says: str = "yes", minute: int = 0, worker=None
) -> Judgment:
    worker = worker or factories.WorkerFactory()
    if not worker.memberships.filter(project=project).exists():
        factories.MembershipFactory(project=project, worker=worker)
    subject = mask or gold
    question = Question.objects.create(
        project=project, category=mask.tree.category if mask else gold.category, mask=mask, gold=gold,
        tree=mask.tree if mask else None, position=mask.position if mask else None,
    )  # fmt: skip
    hit = Assignment.objects.create(
        project=project, worker=worker, opened_at=NOON, expires_at=NOON, finished_at=NOON
    )
    item = Item.objects.create(assignment=hit, index=0, question=question, key=uuid4())
    assert subject is not None
    return Judgment.objects.create(
        question=question, tree=question.tree, worker=worker, item=item, says=says, elapsed_ms=1400,
        of_gold=gold is not None,
        at=NOON + timedelta(minutes=minute),
    )  # fmt: skip


@pytest.mark.parametrize("page", PAGES)
def test_visitors_are_sent_to_the_login_and_strangers_find_nothing(client: Client, page: str) -> None:
    project = factories.ProjectFactory()
    url = reverse(f"dashboards:{page}", args=[project.slug])
    assert client.get(url).headers["Location"].startswith("/login/")
    client.force_login(User.objects.create_user("nobody", is_staff=True))
    assert client.get(url).status_code == 404
    assert project.name.encode() not in client.get("/").content


@pytest.mark.parametrize("page", PAGES)
def test_every_page_opens_for_a_project_that_has_nothing_yet(admin: Client, page: str) -> None:
    project = factories.ProjectFactory()
    assert admin.get(reverse(f"dashboards:{page}", args=[project.slug])).status_code == 200


def test_the_first_page_lists_projects_or_says_how_to_begin(admin: Client) -> None:
    assert reverse("dashboards:new_project") in admin.get("/").content.decode()
    factories.ProjectFactory(name="Balconies & <windows>")
    assert b"Balconies &amp; &lt;windows&gt;" in admin.get("/").content


def test_stages_that_have_not_begun_are_shown_waiting_in_the_order_of_work() -> None:
    round_ = factories.RoundFactory()
    StageRun.objects.create(round=round_, stage="detect", state="running", done=3, total=9)
    shown = [(run.stage, run.state) for run in rows_of(round_)]
    assert shown == [
        ("train", "waiting"), ("detect", "running"), ("cluster", "waiting"),
        ("calibrate", "waiting"), ("open", "waiting"),
    ]  # fmt: skip


def test_a_failed_stage_says_why(admin: Client) -> None:
    round_ = factories.RoundFactory()
    StageRun.objects.create(round=round_, stage="train", state="failed", error="No initial images.")
    page = admin.get(reverse("dashboards:live", args=[round_.project.slug])).content
    assert b"No initial images." in page


def test_only_standing_decisions_count(admin: Client) -> None:
    tree = factories.TreeFactory(n=100)
    decided(tree, 0, 40, "accept")
    decided(tree, 40, 60, "reject")
    withdrawn = decided(tree, 60, 100, "accept")
    Decision.objects.filter(pk=withdrawn.pk).update(withdrawn_at=NOON)
    row = categories(tree.round.project)[0]
    assert (row["masks"], row["accepted"], row["rejected"]) == (100, 40, 20)
    outcomes = Figures.of(tree.round.project).outcomes
    assert outcomes == {"accept": 1, "reject": 1, "split": 0, "open": 0}


def test_the_curve_runs_up_to_all_answers_and_all_accepted_masks() -> None:
    tree = factories.TreeFactory(n=100)
    project = tree.round.project
    for minute in range(10):
        answered(project, factories.MaskFactory(tree=tree, position=minute), minute=minute)
    decided(tree, 0, 30, "accept", minute=4)
    decided(tree, 30, 50, "accept", minute=9)
    points = course_of(project).curve
    assert len(points.at) <= BINS
    assert points.questions[-1] == 10
    assert points.accepted[-1] == 50
    assert points.seconds[-1] == pytest.approx(14.0)
    assert points.accepted == sorted(points.accepted)
    halfway = max(i for i, at in enumerate(points.at) if at <= NOON + timedelta(minutes=8))
    assert points.accepted[halfway] == 30


def test_a_project_without_answers_has_an_empty_curve() -> None:
    assert course_of(factories.ProjectFactory()).curve.at == []


def test_workers_are_listed_with_their_answers_on_this_project_alone() -> None:
    worker = factories.WorkerFactory()
    gold = factories.GoldItemFactory(is_correct=False)
    project = gold.project
    answered(project, gold=gold, says="yes", worker=worker)
    elsewhere = factories.TreeFactory()
    answered(elsewhere.round.project, factories.MaskFactory(tree=elsewhere), worker=worker)
    ((_, record),) = selectors.busiest(project)
    assert (record.answers, record.gold_answered, record.gold_right) == (1, 1, 0)


def test_a_workers_answers_hold_what_was_discarded_but_not_what_they_took_back() -> None:
    tree, worker = factories.TreeFactory(), factories.WorkerFactory()
    project = tree.round.project
    for because in ("", "always yes", UNDONE):
        judgment = answered(project, factories.MaskFactory(tree=tree), worker=worker)
        retracted_at = NOON if because else None
        Judgment.objects.filter(pk=judgment.pk).update(retracted_because=because, retracted_at=retracted_at)
    ((_, record),) = selectors.busiest(project)
    assert record.answers == 2


def test_the_budget_shows_what_the_ledger_holds_as_spent_or_reserved(admin: Client) -> None:
    project = opened(project_with_tree([True] * 64))
    set_caps(project=project, questions=50, money=None)
    reserved = Person.of(project).open().items.count()
    page = admin.get(reverse("dashboards:live", args=[project.slug])).content.decode()
    assert "<dt>Spent</dt><dd>0 questions</dd>" in page
    assert f"<dt>Reserved</dt><dd>{reserved} questions</dd>" in page
    assert "<dt>Budget</dt><dd>50 questions</dd>" in page
    assert f'max="1" value="{reserved / 50:.4f}"' in page


def test_decisions_are_paged_by_key_without_a_gap(admin: Client) -> None:
    tree = factories.TreeFactory(n=60)
    made = [decided(tree, lo, lo + 5, "accept").pk for lo in range(0, 60, 5)]
    seen, before = [], None
    while True:
        page = selectors.decision_page(tree.round.project, before=before, size=5)
        seen += [row.decision.pk for row in page.rows]
        if page.older is None:
            break
        before = page.older
    assert seen == sorted(made, reverse=True)


def test_a_decision_shows_the_masks_it_rests_on_and_none_of_its_neighbours(admin: Client) -> None:
    tree = factories.TreeFactory(n=20)
    inside = answered(tree.round.project, factories.MaskFactory(tree=tree, position=3), says="no")
    answered(tree.round.project, factories.MaskFactory(tree=tree, position=12))
    decision = decided(tree, 0, 10, "accept")
    assert [mask.mask.pk for mask in selectors.evidence(decision).shown] == [inside.question.mask_id]
    page = admin.get(reverse("dashboards:decisions", args=[tree.round.project.slug])).content.decode()
    assert "says-no" in page
    assert page.count("outline-line") == 1


def test_a_decision_shows_its_own_sample_in_the_order_of_asking_and_no_masks_asked_about_below() -> None:
    project = opened(project_with_tree([True] * 32 + [False] * 32))
    ada = Person.of(project)
    while Cluster.objects.filter(is_open=True).exists():
        ada.work()
    for decision in selectors.standing(project).select_related("tree", "cluster"):
        shown = [mask.mask.position for mask in selectors.evidence(decision).shown]
        sample = ground_of(decision.tree_id).sample(decision.cluster.node).tolist()
        assert shown == [position for position in sample if position in shown]
        assert len(shown) >= decision.yes + decision.no


def test_listing_decisions_leaves_the_trees_where_they_are() -> None:
    tree = factories.TreeFactory(n=20)
    decided(tree, 0, 10, "accept")
    with counted_queries() as statements:
        selectors.decision_page(tree.round.project)
    assert statements
    assert not any("packed" in statement for statement in statements)


def test_the_list_of_projects_takes_as_many_queries_for_many_as_for_one() -> None:
    counts = []
    for _ in range(3):
        StageRun.objects.create(round=factories.RoundFactory(), stage="train", state="done")
        with counted_queries() as statements:
            cards, _ = selectors.project_cards(Project.objects.all())
        counts.append(len(statements))
        assert [card["stages"][0].state for card in cards] == ["done"] * len(counts)
    assert len(set(counts)) == 1


def test_the_list_of_projects_goes_on_by_key(admin: Client, monkeypatch) -> None:
    monkeypatch.setattr(selectors, "CARDS", 2)
    made = [factories.ProjectFactory(name=f"Facades {n}") for n in range(5)]
    address, seen = "/", []
    for _ in range(3):
        page = admin.get(address)
        seen += [card["project"].pk for card in page.context["cards"]]
        address = f"/?before={page.context['older']}"
        assert (f'href="{address[1:]}"' in page.content.decode()) is (page.context["older"] is not None)
    assert seen == [one.pk for one in reversed(made)]
    assert "Newest" in page.content.decode()


def test_what_other_projects_decided_is_not_counted() -> None:
    tree, other = factories.TreeFactory(n=100), factories.TreeFactory(n=100)
    decided(tree, 0, 40, "accept")
    decided(other, 0, 70, "accept")
    assert [row["accepted"] for row in categories(tree.round.project)] == [40]


def test_a_thumbnail_of_a_photo_that_is_gone_is_not_found(admin: Client) -> None:
    mask = factories.MaskFactory()
    url = reverse("dashboards:thumbnail", args=[mask.tree.round.project.slug, mask.pk])
    assert admin.get(url).status_code == 404


def test_thumbnails_are_the_projects_own_masks_only(admin: Client, tmp_path) -> None:
    tree = factories.TreeFactory()
    image = factories.PaintedImageFactory(project=tree.round.project, folder=tmp_path)
    mask = factories.MaskFactory(tree=tree, image=image)
    found = admin.get(reverse("dashboards:thumbnail", args=[tree.round.project.slug, mask.pk]))
    assert found.content[:3] == b"\xff\xd8\xff"
    other = factories.ProjectFactory()
    assert admin.get(reverse("dashboards:thumbnail", args=[other.slug, mask.pk])).status_code == 404


def test_a_project_is_paused_and_opened_but_never_before_its_pipeline_ended(admin: Client) -> None:
    project = factories.ProjectFactory()
    url = reverse("dashboards:state", args=[project.slug])
    admin.post(url, {"state": "open"})
    project.refresh_from_db()
    assert project.state == Project.State.DRAFT
    Project.objects.update(state=Project.State.OPEN)
    for state in (Project.State.PAUSED, Project.State.OPEN):
        admin.post(url, {"state": state})
        project.refresh_from_db()
        assert project.state == state
    admin.post(url, {"state": "draft"})
    project.refresh_from_db()
    assert project.state == Project.State.OPEN
    assert admin.post(reverse("dashboards:state", args=["never-was"])).status_code == 404
