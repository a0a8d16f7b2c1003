"""Webhooks: noted with the change, sent until taken, signed, and never sent where they must not go."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.db import transaction
from django.test import Client
from django.urls import reverse

from annotation_site.access.granting import grant
from annotation_site.access.models import Access
from annotation_site.budget import caps, ledger
from annotation_site.budget.ledger import BudgetSpent
from annotation_site.catalog.models import Project, StageRun
from annotation_site.catalog.rounds import current_round
from annotation_site.catalog.stages import StageFailed, mark_done, run_stage
from annotation_site.verification import finishing
from annotation_site.verification.answering import undo_answer
from annotation_site.verification.models import Assignment, Decision
from annotation_site.webhooks import delivering, notices, noting, webhooks
from annotation_site.webhooks.models import Attempt, Delivery, Event, Kind, Milestone, Webhook
from annotation_site.webhooks.sending import Reply
from tests.clocks import Clock, frozen
from tests.factories import NOON, ProjectFactory
from tests.site.campaigns import Person, counted_queries, items, opened, project_with_tree
from workers import tasks

pytestmark = pytest.mark.django_db

SECOND, DAY = timedelta(seconds=1), timedelta(days=1)
TAKEN, REFUSED, AWAY = Reply(204), Reply(500, "no"), Reply(error="ConnectError: nobody there")


def hook(project: Project, *kinds: str, url: str = "https://receiver.example/") -> Webhook:
    return webhooks.add_webhook(
        project=project, url=url, kinds=kinds or Kind.values, description="", by=None, at=NOON
    )


def told(kind: str) -> list[dict]:
    """The data of what is noted and not sent on yet."""
    return [event.data for event in Event.objects.filter(kind=kind).order_by("pk")]


class Receiver:
    """Answers as it is told to, and keeps what came."""

    def __init__(self, *replies: Reply) -> None:
        self.replies = list(replies)
        self.got: list[tuple[str, bytes, dict[str, str]]] = []

    def __call__(self, url: str, *, body: bytes, headers: dict[str, str]) -> Reply:
        self.got.append((url, body, headers))
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]


class TestWhatIsNoted:
    def test_a_stage_that_finished_and_one_that_failed(self):
        project = ProjectFactory()
        hook(project, "stage.finished", "stage.failed")
        round_ = current_round(project)
        run_stage(round_, StageRun.Stage.TRAIN, lambda _: None)

        def fail(_: object) -> None:
            raise MemoryError("17 GiB")

        with pytest.raises(StageFailed):
            run_stage(round_, StageRun.Stage.DETECT, fail)
        mark_done(round_, StageRun.Stage.DETECT, message="imported", at=NOON)
        assert [(one["stage"], one["round"]) for one in told("stage.finished")] == [
            ("train", 1),
            ("detect", 1),
        ]
        assert "Out of memory" in told("stage.failed")[0]["error"]

    def test_nothing_is_written_where_nobody_wants_to_know(self):
        project, other = ProjectFactory(), ProjectFactory()
        hook(other)
        hook(project, "round.finished")
        disabled = hook(project, "stage.finished")
        webhooks.disable(webhook=disabled, at=NOON)
        mark_done(current_round(project), StageRun.Stage.DETECT, message="", at=NOON)
        assert not Event.objects.exists()

    def test_what_is_rolled_back_is_not_told(self):
        project = ProjectFactory()
        hook(project)
        with transaction.atomic():
            mark_done(current_round(project), StageRun.Stage.DETECT, message="", at=NOON)
            transaction.set_rollback(True)
        assert not Event.objects.exists()

    def test_a_decision_is_noted_with_the_answer_that_made_it(self):
        project = opened(project_with_tree([True] * 64, hit_size=100))
        hook(project, "cluster.decided")
        person = Person.of(project)
        person.open()
        person.work()
        decision = Decision.objects.get()
        ((thing,),) = [one["things"] for one in told("cluster.decided")]
        assert (thing["decision"], thing["verdict"], thing["masks"]) == (decision.pk, "accept", 64)
        assert (thing["yes"], thing["no"], thing["node"]) == (decision.yes, decision.no, 0)

    def test_without_a_listener_an_answer_costs_one_statement_more_and_only_when_it_decides(self):
        project = opened(project_with_tree([True] * 64, hit_size=100))
        person = Person.of(project)
        person.open()
        noted = []
        for item in items(Assignment.objects.get()):
            with counted_queries() as queries:
                answer = person.answer(item)
            noted.append((answer.verdict == "accept", sum("webhooks_" in sql for sql in queries)))
        assert {(decides, count) for decides, count in noted} == {(False, 0), (True, 1)}
        assert not Event.objects.exists()

    def test_a_decision_that_is_withdrawn(self):
        project = opened(project_with_tree([True] * 64, hit_size=100))
        hook(project, "cluster.withdrawn")
        person = Person.of(project)
        assignment = person.open()
        for item in items(assignment):
            person.answer(item)
            if Decision.objects.exists():
                break
        undo_answer(item_key=item.key, assignment_id=assignment.pk, at=NOON)
        (thing,) = told("cluster.withdrawn")[0]["things"]
        assert (thing["verdict"], thing["because"]) == ("accept", "an answer was undone")

    def test_each_share_of_the_budget_once_and_again_when_the_cap_changes(self):
        project = ProjectFactory()
        caps.set_caps(project=project, questions=100, money=None)
        hook(project, "budget.spent", "budget.refused")

        def spend(number: int, questions: int, done: int) -> None:
            with transaction.atomic():
                budget = caps.locked_budget(project.pk)
                ledger.reserve(budget=budget, questions=questions, reference=f"t:{number}", at=NOON)
            with transaction.atomic():
                ledger.settle(project_id=project.pk, reference=f"t:{number}", done=done, at=NOON)

        spend(1, 60, 40)  # 60 reserved, 40 spent.
        assert told("budget.spent") == []
        spend(2, 10, 10)
        spend(3, 10, 10)
        assert [one["percent"] for one in told("budget.spent")] == [50]
        spend(4, 40, 40)
        assert [one["percent"] for one in told("budget.spent")] == [50, 80, 100]
        assert told("budget.spent")[-1]["spent"]["questions"] == 100
        caps.change_budget(project=project, questions=120)
        spend(5, 1, 1)
        assert [one["percent"] for one in told("budget.spent")] == [50, 80, 100, 50, 80]

    def test_money_counts_like_questions(self):
        project = ProjectFactory()
        caps.set_caps(project=project, questions=None, money=Decimal(10))
        hook(project, "budget.spent")
        ledger.give_bonus(project=project, money=Decimal(6), reference="b:1", note="well done", at=NOON)
        (one,) = told("budget.spent")
        assert (one["percent"], one["spent"]["money"], one["currency"]) == (50, "6.0000", "USD")

    def test_a_budget_that_allows_no_hit_is_told_once(self):
        project = opened(project_with_tree([True] * 64, hit_size=100))
        caps.set_caps(project=project, questions=0, money=None)
        hook(project, "budget.refused")
        for name in ("Ada", "Bo"):
            with pytest.raises(BudgetSpent):
                Person.of(project, name).open()
        assert told("budget.refused") == [{"caps": {"questions": 0, "money": None, "currency": "USD"}}]

    def test_a_round_that_has_nothing_left_to_ask(self):
        project = opened(project_with_tree([True] * 64, hit_size=100))
        StageRun.objects.create(round=current_round(project), stage="open", state="done")
        hook(project, "round.finished")
        assert finishing.note_finished_rounds(at=NOON) == 0
        person = Person.of(project)
        person.open()
        person.work()
        assert finishing.note_finished_rounds(at=NOON) == 1
        assert finishing.note_finished_rounds(at=NOON) == 0
        assert told("round.finished") == [{"round": 1, "accepted": 64, "rejected": 0}]

    def test_milestones_go_with_their_project(self):
        project = ProjectFactory()
        hook(project)
        noting.note_once(project.pk, Kind.BUDGET_SPENT, "x", {}, at=NOON)
        Project.objects.filter(pk=project.pk).delete()
        assert not Milestone.objects.exists()
        assert not Event.objects.exists()


class TestMessages:
    def test_thousands_of_decisions_are_few_messages(self):
        project = ProjectFactory()
        hook(project, "cluster.decided")
        for number in range(1200):
            noting.note_many(project.pk, Kind.CLUSTER_DECIDED, [{"decision": number}], at=NOON)
        assert delivering.write_messages(at=NOON) == 3
        bodies = [json.loads(one.body) for one in Delivery.objects.order_by("pk")]
        told = [thing["decision"] for body in bodies for thing in body["data"]["decisions"]]
        assert told == list(range(1200))
        assert not Event.objects.exists()

    def test_each_address_gets_what_it_wants_of_its_project(self):
        project, other = ProjectFactory(slug="ours"), ProjectFactory()
        both, rounds = hook(project, "stage.failed", "stage.finished"), hook(project, "round.finished")
        hook(other)
        noting.note(project.pk, Kind.STAGE_FAILED, {"stage": "train"}, at=NOON)
        noting.note(project.pk, Kind.ROUND_FINISHED, {"round": 1}, at=NOON)
        delivering.write_messages(at=NOON)
        sent = {(one.webhook_id, one.kind) for one in Delivery.objects.all()}
        assert sent == {(both.pk, "stage.failed"), (rounds.pk, "round.finished")}
        body = json.loads(Delivery.objects.get(kind="stage.failed").body)
        assert body == {
            "type": "stage.failed",
            "timestamp": "2026-03-02T12:00:00Z",
            "data": {"project": {"slug": "ours", "name": project.name}, "stage": "train"},
        }


class TestDelivering:
    @pytest.fixture
    def delivery(self) -> Delivery:
        project = ProjectFactory()
        hook(project)
        noting.note(project.pk, Kind.STAGE_FAILED, {"stage": "train"}, at=NOON)
        delivering.write_messages(at=NOON)
        return Delivery.objects.get()

    def test_what_is_taken_is_done(self, delivery):
        receiver = Receiver(TAKEN)
        assert delivering.deliver_due(clock=frozen(NOON), send=receiver) == []
        delivery.refresh_from_db()
        assert (delivery.state, delivery.tries, delivery.ended_at) == ("delivered", 1, NOON)
        ((url, body, headers),) = receiver.got
        assert (url, body.decode()) == (delivery.webhook.url, delivery.body)
        assert headers["webhook-id"] == delivery.message
        assert headers["webhook-timestamp"] == str(int(NOON.timestamp()))

    @pytest.mark.parametrize("reply", [REFUSED, AWAY, Reply(302), Reply(400)])
    def test_what_is_not_taken_is_tried_again_later(self, delivery, reply):
        delivering.deliver_due(clock=frozen(NOON), send=Receiver(reply))
        delivery.refresh_from_db()
        assert delivery.state == "waiting"
        assert NOON + 5 * SECOND <= delivery.due_at <= NOON + 6 * SECOND
        assert delivering.deliver_due(clock=frozen(NOON + SECOND), send=Receiver(TAKEN)) == []
        assert Attempt.objects.count() == 1
        delivering.deliver_due(clock=frozen(NOON + 6 * SECOND), send=Receiver(TAKEN))
        delivery.refresh_from_db()
        assert (delivery.state, delivery.tries) == ("delivered", 2)

    def test_it_is_the_same_message_at_every_try_and_signed_anew(self, delivery):
        receiver = Receiver(REFUSED, TAKEN)
        delivering.deliver_due(clock=frozen(NOON), send=receiver)
        delivering.deliver_due(clock=frozen(NOON + DAY), send=receiver)
        (_, first, one), (_, second, two) = receiver.got
        assert (first, one["webhook-id"]) == (second, two["webhook-id"])
        assert one["webhook-signature"] != two["webhook-signature"]

    def test_it_is_given_up_after_some_days(self, delivery):
        at, waited = NOON, []
        while delivery.state == "waiting":
            delivering.deliver_due(clock=frozen(at), send=Receiver(AWAY))
            delivery.refresh_from_db()
            waited.append(delivery.due_at - at)
            at = delivery.due_at
        assert delivery.state == "failed"
        assert delivery.tries == len(delivering.WAITS) + 1
        assert timedelta(days=3) < at - NOON < timedelta(days=4)
        assert waited[:-1] == sorted(waited[:-1])

    def test_whoever_dies_with_a_message_leaves_it_to_the_next(self, delivery):
        def die(url: str, **_: object) -> Reply:
            raise SystemExit

        with pytest.raises(SystemExit):
            delivering.deliver_due(clock=frozen(NOON), send=die)
        receiver = Receiver(TAKEN)
        delivering.deliver_due(clock=frozen(NOON + SECOND), send=receiver)
        assert receiver.got == []
        delivering.deliver_due(clock=frozen(NOON + delivering.HOLD), send=receiver)
        assert len(receiver.got) == 1

    def test_what_is_being_sent_is_not_due_to_others_however_slow_the_replies_before_it(self, delivery):
        for number in range(3):
            other = hook(delivery.webhook.project, url=f"https://{number}.example/")
            delivering.send_test(other, at=NOON)
        clock, slow = Clock(NOON), delivering.HOLD - SECOND

        def send(url: str, **_: object) -> Reply:
            clock.go_on(slow)
            due = Delivery.objects.filter(state="waiting", due_at__lte=clock())
            assert not due.filter(webhook__url=url).exists()
            return TAKEN

        delivering.deliver_due(clock=clock, send=send)
        ended = Delivery.objects.filter(state="delivered").order_by("pk").values_list("ended_at", flat=True)
        assert list(ended) == [NOON + n * slow for n in (1, 2, 3, 4)]

    def test_the_wait_for_the_next_try_begins_at_the_reply(self, delivery):
        clock, replied = Clock(NOON), NOON + 90 * SECOND

        def send(url: str, **_: object) -> Reply:
            clock.go_on(90 * SECOND)
            return AWAY

        delivering.deliver_due(clock=clock, send=send)
        delivery.refresh_from_db()
        assert replied + 5 * SECOND <= delivery.due_at <= replied + 6 * SECOND
        assert delivery.attempts.get().at == NOON
        assert Webhook.objects.get().failing_since == replied

    def test_an_address_that_fails_holds_up_no_other(self, delivery):
        other = hook(delivery.webhook.project, url="https://other.example/")
        for _ in range(3):
            delivering.send_test(delivery.webhook, at=NOON)
            delivering.send_test(other, at=NOON)
        asked = []

        def send(url: str, **_: object) -> Reply:
            asked.append(url)
            return TAKEN if "other" in url else AWAY

        delivering.deliver_due(clock=frozen(NOON + SECOND), send=send)
        assert sorted(asked) == ["https://other.example/"] * 3 + ["https://receiver.example/"]

    def test_it_is_sent_again_when_an_admin_wishes(self, delivery):
        delivering.deliver_due(clock=frozen(NOON), send=Receiver(TAKEN))
        delivering.redeliver(delivery, at=NOON + DAY)
        receiver = Receiver(TAKEN)
        delivering.deliver_due(clock=frozen(NOON + DAY), send=receiver)
        assert receiver.got[0][2]["webhook-id"] == delivery.message
        assert Attempt.objects.count() == 2

    def test_after_a_new_secret_both_sign_for_a_day(self, delivery):
        hook_ = delivery.webhook
        earlier = hook_.secret
        webhooks.rotate_secret(webhook=hook_, at=NOON)
        assert hook_.secret != earlier
        receiver = Receiver(TAKEN)
        for at in (NOON, NOON + 2 * DAY):
            delivering.redeliver(delivery, at=at)
            delivering.deliver_due(clock=frozen(at), send=receiver)
        counts = [len(headers["webhook-signature"].split()) for _, _, headers in receiver.got]
        assert counts == [2, 1]

    def test_an_address_that_fails_for_long_is_told_nothing_more_and_its_admins_are_told(self, delivery):
        hook_ = delivery.webhook
        for name, access in (("ada", Access.OWNER), ("vi", Access.VIEWER)):
            user = User.objects.create_user(name, f"{name}@example.org")
            grant(project=hook_.project, user=user, access=access)
        for tries in range(delivering.MOST_FAILURES):
            at = NOON + tries * 2 * timedelta(hours=1)
            delivering.redeliver(delivery, at=at)
            given_up = delivering.deliver_due(clock=frozen(at), send=Receiver(REFUSED))
            assert bool(given_up) == (tries == delivering.MOST_FAILURES - 1)
        hook_.refresh_from_db()
        assert not hook_.is_enabled
        assert "20 tries in a row failed" in hook_.disabled_because
        assert "status 500" in hook_.disabled_because
        assert not Delivery.objects.filter(state="waiting").exists()
        notices.tell_of_disabled(hook_)
        assert [letter.to for letter in mail.outbox] == [["ada@example.org"]]
        assert hook_.url in mail.outbox[0].body
        webhooks.enable(webhook=hook_)
        hook_.refresh_from_db()
        assert (hook_.is_enabled, hook_.failures) == (True, 0)

    def test_an_outage_of_an_hour_disables_nothing(self, delivery):
        for second in range(40):
            delivering.redeliver(delivery, at=NOON + second * SECOND)
            assert delivering.deliver_due(clock=frozen(NOON + second * SECOND), send=Receiver(AWAY)) == []
        delivering.redeliver(delivery, at=NOON + 60 * SECOND)
        delivering.deliver_due(clock=frozen(NOON + 60 * SECOND), send=Receiver(TAKEN))
        assert Webhook.objects.get().failures == 0

    def test_an_address_that_says_it_is_gone_is_believed(self, delivery):
        assert delivering.deliver_due(clock=frozen(NOON), send=Receiver(Reply(410))) == [delivery.webhook]
        assert not Webhook.objects.get().is_enabled

    def test_old_deliveries_are_deleted(self, delivery):
        delivering.deliver_due(clock=frozen(NOON), send=Receiver(TAKEN))
        assert delivering.prune(at=NOON + 29 * DAY) == 0
        assert delivering.prune(at=NOON + 31 * DAY) == 1
        assert not Attempt.objects.exists()

    def test_a_worker_does_all_of_it(self, monkeypatch):
        project = ProjectFactory()
        hook(project)
        noting.note(project.pk, Kind.STAGE_FAILED, {"stage": "train"}, at=NOON)
        monkeypatch.setitem(delivering.deliver_due.__kwdefaults__, "send", Receiver(Reply(410)))
        tasks.tell_webhooks()
        tasks.note_finished_rounds()
        tasks.prune_webhooks()
        assert not Webhook.objects.get().is_enabled


class TestThePages:
    @pytest.fixture
    def project(self) -> Project:
        return ProjectFactory()

    @pytest.fixture
    def admin(self, client: Client, project: Project) -> Client:
        ada = User.objects.create_user("ada")
        grant(project=project, user=ada, access=Access.ADMIN)
        client.force_login(ada)
        return client

    def url(self, name: str, project: Project, *args: object) -> str:
        return reverse(f"dashboards:{name}", args=[project.slug, *args])

    def test_admins_add_change_and_delete(self, admin, project):
        asked = {"url": "https://a.example/x", "kinds": ["stage.failed"], "description": "the pager"}
        page = admin.post(self.url("new-webhook", project), asked, follow=True).content.decode()
        made = Webhook.objects.get()
        assert made.secret in page
        assert made.created_by.username == "ada"
        assert "the pager" in admin.get(self.url("webhooks", project)).content.decode()
        change = self.url("change-webhook", project, made.pk)
        admin.post(change, {"do": "save", "url": "https://b.example/", "kinds": ["round.finished"]})
        made.refresh_from_db()
        assert (made.url, made.kinds) == ("https://b.example/", ["round.finished"])
        for verb, enabled in (("disable", False), ("enable", True)):
            admin.post(change, {"do": verb})
            assert Webhook.objects.get().is_enabled == enabled
        before = made.secret
        admin.post(change, {"do": "rotate"})
        assert Webhook.objects.get().secret != before
        admin.post(change, {"do": "delete"})
        assert not Webhook.objects.exists()

    @pytest.mark.parametrize(
        ("asked", "why"),
        [
            ({"url": "http://a.example/", "kinds": ["stage.failed"]}, "begins with https"),
            ({"url": "https://10.0.0.1/", "kinds": ["stage.failed"]}, "private network"),
            ({"url": "https://a.example/", "kinds": []}, "required"),
            ({"url": "https://a.example/", "kinds": ["everything"]}, "valid choice"),
        ],
    )
    def test_what_cannot_be_is_told_beside_what_was_typed(self, admin, project, asked, why):
        answer = admin.post(self.url("new-webhook", project), asked)
        assert answer.status_code == 400
        assert why in answer.content.decode()
        assert asked["url"] in answer.content.decode()
        assert not Webhook.objects.exists()

    def test_there_are_not_too_many(self, admin, project):
        for _ in range(webhooks.MOST):
            hook(project)
        answer = admin.post(
            self.url("new-webhook", project), {"url": "https://a.example/", "kinds": Kind.values}
        )
        assert "20 webhooks at most" in answer.content.decode()

    def test_a_test_is_sent_and_its_answer_shown(self, admin, project):
        made = hook(project)
        admin.post(self.url("change-webhook", project, made.pk), {"do": "test"})
        sent = Delivery.objects.get()
        delivering.deliver_due(
            clock=frozen(sent.due_at), send=Receiver(Reply(500, "<b>database away</b>", elapsed_ms=31))
        )
        page = admin.get(self.url("webhook", project, made.pk)).content.decode()
        assert "500" in page
        page = admin.get(self.url("delivery", project, sent.pk)).content.decode()
        assert "&lt;b&gt;database away&lt;/b&gt;" in page
        assert sent.message in page
        admin.post(self.url("redeliver", project, sent.pk))
        sent.refresh_from_db()
        assert sent.state == "waiting"

    def test_deliveries_are_filtered_and_paged(self, admin, project):
        made = hook(project)
        for _ in range(60):
            delivering.send_test(made, at=NOON)
        Delivery.objects.filter(pk=Delivery.objects.last().pk).update(state="failed")
        first = admin.get(self.url("webhook", project, made.pk))
        assert len(first.context["rows"]) == 50
        second = admin.get(
            self.url("webhook", project, made.pk), {"before": first.context["older"], "list": ""}
        )
        assert len(second.context["rows"]) == 10
        failed = admin.get(self.url("webhook", project, made.pk), {"state": "failed"})
        assert len(failed.context["rows"]) == 1

    def test_another_projects_webhook_is_not_there(self, admin, project):
        theirs = hook(ProjectFactory())
        sent = delivering.send_test(theirs, at=NOON)
        assert admin.get(self.url("webhook", project, theirs.pk)).status_code == 404
        assert admin.post(self.url("change-webhook", project, theirs.pk), {"do": "delete"}).status_code == 404
        assert admin.get(self.url("delivery", project, sent.pk)).status_code == 404
        assert admin.post(self.url("redeliver", project, sent.pk)).status_code == 404
