"""The pages on workers: who is listed in which order, what one of them did, what an admin does about it."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from functools import partial
from smtplib import SMTPException
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.test import Client

from annotation_site.access.granting import grant
from annotation_site.access.models import Access
from annotation_site.budget.caps import set_caps
from annotation_site.budget.ledger import spend_of
from annotation_site.catalog.models import Project
from annotation_site.dashboards.workers import selectors
from annotation_site.dashboards.workers.answers import FILTERS, answers_page
from annotation_site.dashboards.workers.charts import gold_chart, pace_chart
from annotation_site.dashboards.workers.selectors import SORTS, Wanted, workers_page
from annotation_site.marketplaces import messaging, team
from annotation_site.marketplaces.models import Message, Payment
from annotation_site.people.models import GoldItem, Membership, Standing, StandingChange, WorkRecord
from annotation_site.people.standing import change_standing
from annotation_site.verification.checking import check_campaign
from annotation_site.verification.gold_review import retire_gold
from annotation_site.verification.models import Decision, Judgment, Says
from annotation_site.verification.withdrawing import Resting, resting_on
from tests.factories import NOON
from tests.site.campaigns import (
    Person,
    counted_queries,
    opened,
    project_with_clusters,
    project_with_tree,
    standing,
    together,
)
from tests.site.verified_projects import answer_all

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    return opened(project_with_clusters([0.9] * 6, size=16, gold=20, hit_size=20, gold_share=0.2))


def signed_in(project: Project, access: Access = Access.ADMIN) -> Client:
    user = User.objects.create_user(f"{access}-of-{project.slug}")
    grant(project=project, user=user, access=access)
    client = Client()
    client.force_login(user)
    return client


def page(member: Membership, rest: str = "") -> str:
    return f"/projects/{member.project.slug}/workers/{member.pk}/{rest}"


def told(answer) -> str:
    return re.sub(r"\s+", " ", answer.content.decode())


class TestRecords:
    def test_a_record_is_kept_when_a_page_of_work_ends(self, project):
        ada = Person.of(project)
        ada.work()
        kept = WorkRecord.objects.get(membership=ada.member)
        gold = Judgment.objects.filter(of_gold=True).count()
        assert (kept.answers, kept.gold_right, kept.gold_wrong, kept.look_ms) == (20, gold, 0, 1400)
        assert kept.gold_accuracy == 1
        assert kept.last_at == Judgment.objects.latest("at").at

    def test_who_is_stopped_keeps_the_record_they_were_stopped_by(self, project):
        spammer = Person.of(project, says=lambda item: Says.YES)
        while spammer.member.standing != Standing.STOPPED:
            spammer.work()
            spammer.member.refresh_from_db()
        before = WorkRecord.objects.values().get(membership=spammer.member)
        signed_in(project).get(page(spammer.member))
        assert WorkRecord.objects.values().get(membership=spammer.member) == before
        assert before["gold_wrong"] > 0


class TestTheList:
    @pytest.fixture
    def crowd(self, project) -> Project:
        people = [Person.of(project, name) for name in ("Ada", "ben", "Cy")]
        people[1].says = lambda item: Says.YES
        for person in people[:2]:
            person.work()
        for name in ("Dot", "Eve"):
            Person.of(project, name)
        return project

    def test_every_order_shows_everybody_once_page_by_page(self, crowd):
        everybody = sorted(crowd.members.values_list("pk", flat=True))
        for sort in [sign + name for name in SORTS for sign in ("", "-")]:
            seen, after = [], None
            while not seen or after is not None:
                found = workers_page(crowd, Wanted(sort=sort, after=after), size=2)
                seen += [row.member.pk for row in found.rows]
                after = found.next
            assert sorted(seen) == everybody
            assert seen == [row.member.pk for row in workers_page(crowd, Wanted(sort=sort)).rows]

    def test_nothing_known_comes_last_whichever_way_it_is_sorted(self, crowd):
        for sort in ("gold", "-gold", "speed", "-seen"):
            rows = workers_page(crowd, Wanted(sort=sort)).rows
            assert [row.record.answers > 0 for row in rows] == [True, True, False, False, False]

    def test_names_are_sorted_without_regard_to_case(self, crowd):
        names = [str(row.member.worker) for row in workers_page(crowd, Wanted(sort="name")).rows]
        assert names == ["Ada", "ben", "Cy", "Dot", "Eve"]

    def test_filters(self, crowd):
        change_standing(
            membership=crowd.members.get(worker__name="Cy"), to=Standing.STOPPED, reason="x", at=NOON
        )
        client = signed_in(crowd)
        for query, names in (
            ("standing=stopped", {"Cy"}),
            ("name=BE", {"ben"}),
            ("provider=link&name=e", {"ben", "Eve"}),
            ("provider=mturk", {"Ada", "ben", "Cy", "Dot", "Eve"}),  # Not one there: left out.
            ("standing=stopped&name=ada", set()),
        ):
            shown = told(client.get(f"/projects/{crowd.slug}/workers/?{query}"))
            assert {name for name in ("Ada", "ben", "Cy", "Dot", "Eve") if f">{name}</a>" in shown} == names

    def test_its_statements_do_not_grow_with_the_workers(self, crowd):
        workers_page(crowd, Wanted())
        with counted_queries() as few:
            workers_page(crowd, Wanted())
        for number in range(10):
            WorkRecord.objects.create(membership=Person.of(crowd, f"P{number}").member)
        with counted_queries() as many:
            workers_page(crowd, Wanted())
        assert len(few) == len(many)

    def test_money_is_for_admins(self, crowd):
        assert "Owed / paid" in told(signed_in(crowd).get(f"/projects/{crowd.slug}/workers/"))
        viewer = signed_in(crowd, Access.VIEWER)
        assert "Owed / paid" not in told(viewer.get(f"/projects/{crowd.slug}/workers/"))

    def test_what_makes_no_sense_is_left_out(self, crowd):
        client = signed_in(crowd)
        for query in ("sort=shoe-size", "after=99999", "after=x", "standing=none", "name=%00"):
            assert client.get(f"/projects/{crowd.slug}/workers/?{query}").status_code == 200


class TestOneWorker:
    @pytest.fixture
    def spammer(self, project) -> Person:
        others = [Person.of(project, name) for name in ("Ada", "Ben")]
        for person in others:
            person.work()
            change_standing(membership=person.member, to=Standing.ACTIVE, reason="proven", at=NOON)
        spammer = Person.of(project, "Sam", says=lambda item: Says.NO)
        spammer.work()
        return spammer

    def test_every_answer_is_shown_page_by_page_the_latest_first(self, spammer):
        seen, before = [], None
        while True:
            found = answers_page(spammer.member, before=before, size=7)
            seen += [row.judgment.pk for row in found.rows]
            before = found.before
            if before is None:
                break
        mine = Judgment.objects.filter(worker=spammer.member.worker).order_by("-at", "-pk")
        assert seen == list(mine.values_list("pk", flat=True))

    def test_gold_that_was_missed_and_answers_that_others_contradict_are_found(self, spammer):
        missed = answers_page(spammer.member, which="missed").rows
        assert missed
        assert all(row.is_right is False for row in missed)
        right = Judgment.objects.filter(worker=spammer.member.worker, question__gold__is_correct=True).count()
        assert len(missed) == right
        contradicted = answers_page(spammer.member, which="disagreed").rows
        assert contradicted
        assert all(row.disagrees for row in contradicted)
        shown = {row.judgment.pk for row in answers_page(spammer.member).rows if row.disagrees}
        assert {row.judgment.pk for row in contradicted} == shown

    def test_answers_too_fast_and_those_that_do_not_count_are_found(self, spammer):
        assert not answers_page(spammer.member, which="fast").rows
        first = Judgment.objects.filter(worker=spammer.member.worker).first()
        Judgment.objects.filter(pk=first.pk).update(elapsed_ms=90, retracted_at=NOON, retracted_because="x")
        for which in ("fast", "gone"):
            assert [row.judgment for row in answers_page(spammer.member, which=which).rows] == [first]

    def test_admins_see_which_answers_were_to_gold_and_viewers_do_not(self, spammer):
        admin, viewer = (signed_in(spammer.member.project, a) for a in (Access.ADMIN, Access.VIEWER))
        shown, hidden = told(admin.get(page(spammer.member))), told(viewer.get(page(spammer.member)))
        assert "gold, missed" in shown
        assert "/workers/gold/" in shown
        for secret in ("gold, missed", "gold, right", "/workers/gold/", "which=missed"):
            assert secret not in hidden
        asked_for = told(viewer.get(page(spammer.member, "?which=missed")))
        assert re.findall(r'class="answered"', asked_for) == re.findall(r'class="answered"', hidden)
        assert "gold, missed" not in asked_for

    def test_its_statements_do_not_grow_with_the_answers(self, spammer):
        client = signed_in(spammer.member.project)
        client.get(page(spammer.member))
        for which in FILTERS:
            with counted_queries() as few:
                answers_page(spammer.member, which=which, size=3)
            with counted_queries() as many:
                answers_page(spammer.member, which=which, size=30)
            assert len(few) == len(many)

    def test_charts_end_with_what_the_record_says(self, spammer):
        kept = WorkRecord.objects.get(membership=spammer.member)
        _, n, _, all_, least = gold_chart(spammer.member).rows[-1]
        assert (n, all_) == (kept.gold_answered, pytest.approx(kept.gold_accuracy, abs=1e-3))
        assert least == pytest.approx(kept.gold_at_least, abs=1e-3)
        rows = pace_chart(spammer.member).rows
        assert sum(row[1] for row in rows) == kept.answers
        assert {row[2] for row in rows} == {1.4}

    def test_numbers_come_as_csv_and_charts_that_are_none_are_missing(self, spammer):
        client = signed_in(spammer.member.project)
        lines = client.get(page(spammer.member, "gold.csv")).getvalue().decode().splitlines()
        assert lines[0] == "at,gold answers,right of the latest 20,right of all,at least"
        assert len(lines) == len(gold_chart(spammer.member).rows) + 1
        assert client.get(page(spammer.member, "shoes.csv")).status_code == 404
        figures = client.get(page(spammer.member, "figures.json")).json()
        assert figures["pace"]["lines"] == [["watched", 0.4], ["stopped", 0.25]]

    def test_who_never_answered_has_a_page_too(self, project):
        newcomer = Person.of(project, "Nell").member
        client = signed_in(project)
        assert "No answer yet." in told(client.get(page(newcomer)))
        assert client.get(page(newcomer, "figures.json")).json()["gold"]["rows"] == []

    def test_workers_of_another_project_are_not_there(self, spammer):
        other = opened(project_with_tree([True] * 64))
        client = signed_in(other)
        for rest in ("", "figures.json", "gold.csv", "stop/"):
            address = f"/projects/{other.slug}/workers/{spammer.member.pk}/{rest}"
            assert client.get(address).status_code == 404
        address = f"/projects/{other.slug}/workers/{spammer.member.pk}/stop/"
        assert client.post(address, {"counts": "all", "reason": "mine"}).status_code == 404
        item = GoldItem.objects.filter(project=spammer.member.project).first()
        assert client.get(f"/projects/{other.slug}/workers/gold/{item.pk}.jpg").status_code == 404


class TestStopping:
    @pytest.fixture
    def spammer(self) -> Person:
        project = opened(project_with_tree([True] * 32 + [False] * 32))
        return answer_all(project, says=lambda item: Says.YES)

    def test_what_would_be_lost_is_told_before_and_is_what_is_lost_then(self, spammer):
        before = resting_on(membership=spammer.member)
        assert before == Resting(judgments=Judgment.objects.count(), decisions=1, falling=1)
        client = signed_in(spammer.member.project)
        shown = told(client.get(page(spammer.member, "stop/?counts=all")))
        assert f"{before.judgments} of {before.judgments}" in shown
        assert "<dt>Decisions that would fall</dt><dd><b>1</b></dd>" in shown
        assert Decision.objects.in_force().count() == 1
        answer = client.post(page(spammer.member, "stop/"), {"counts": "all", "reason": "yes, always"})
        assert answer.status_code == 302
        change = StandingChange.objects.latest("pk")
        assert (change.after, change.by, change.reason) == (
            "stopped", f"admin-of-{spammer.member.project.slug}", "yes, always",
        )  # fmt: skip
        assert standing(spammer.member.project) == {}
        assert not Judgment.objects.counting().exists()
        assert check_campaign(spammer.member.project) == []

    def test_the_preview_is_right_about_trees_that_were_split(self):
        project = opened(project_with_tree([True] * 32 + [False] * 32, hit_size=5))
        people = [Person.of(project, name) for name in ("Ada", "Ben", "Cy")]
        while standing(project).keys() != {(0, 64), (0, 32), (32, 64)}:
            for person in people:
                if standing(project).keys() != {(0, 64), (0, 32), (32, 64)}:
                    person.work()
        member = people[1].member
        expected = resting_on(membership=member)
        before = set(Decision.objects.in_force().values_list("pk", flat=True))
        signed_in(project).post(page(member, "stop/"), {"counts": "all", "reason": "a test"})
        fallen = before - set(Decision.objects.in_force().values_list("pk", flat=True))
        assert expected.falling == len(fallen)

    def test_answers_stop_counting_from_the_moment_that_is_chosen(self, spammer):
        moments = list(Judgment.objects.order_by("at").values_list("at", flat=True))
        since = moments[5]
        assert resting_on(membership=spammer.member, since=since).judgments == len(moments) - 5
        client = signed_in(spammer.member.project)
        body = {"counts": "since", "since": f"{since:%Y-%m-%dT%H:%M:%S}", "reason": "since then"}
        client.post(page(spammer.member, "stop/"), body)
        assert list(Judgment.objects.counting().order_by("at").values_list("at", flat=True)) == moments[:5]

    def test_answers_may_go_on_counting(self, spammer):
        client = signed_in(spammer.member.project)
        assert "0 of" in told(client.get(page(spammer.member, "stop/?counts=none")))
        client.post(page(spammer.member, "stop/"), {"counts": "none", "reason": "left us"})
        spammer.member.refresh_from_db()
        assert spammer.member.standing == Standing.STOPPED
        assert Decision.objects.in_force().count() == 1

    def test_without_a_reason_or_a_time_nobody_is_stopped(self, spammer):
        client = signed_in(spammer.member.project)
        for body in (
            {"counts": "all", "reason": " "},
            {"counts": "since", "reason": "x"},
            {"counts": "since", "since": "yesterday", "reason": "x"},
            {"counts": "some", "reason": "x"},
        ):
            assert client.post(page(spammer.member, "stop/"), body).status_code == 400
        assert not StandingChange.objects.exists()

    def test_who_was_stopped_may_be_let_in_again_with_their_answers(self, spammer):
        client = signed_in(spammer.member.project)
        client.post(page(spammer.member, "stop/"), {"counts": "all", "reason": "a mistake"})
        client.post(page(spammer.member, "reinstate/"), {"reason": " "})
        spammer.member.refresh_from_db()
        assert spammer.member.standing == Standing.STOPPED
        client.post(page(spammer.member, "reinstate/"), {"reason": "was none", "restore": "on"})
        spammer.member.refresh_from_db()
        assert spammer.member.standing == Standing.QUALIFIED
        assert Judgment.objects.counting().count() == Judgment.objects.count()

    def test_notes_are_kept_with_who_made_them(self, spammer):
        client = signed_in(spammer.member.project)
        client.post(page(spammer.member, "note/"), {"reason": "asked for larger photos"})
        note = StandingChange.objects.get()
        assert (note.is_note, note.by) == (True, f"admin-of-{spammer.member.project.slug}")
        assert "asked for larger photos" in told(client.get(page(spammer.member)))


class TestDoubtfulStops:
    @pytest.fixture
    def stopped(self) -> Membership:
        project = opened(project_with_clusters([0.0] * 10, gold=40, hit_size=20, gold_share=0.5))
        spammer = Person.of(project, says=lambda item: Says.YES)
        while spammer.member.standing != Standing.STOPPED:
            spammer.work()
            spammer.member.refresh_from_db()
        return spammer.member

    def retire(self, member: Membership) -> None:
        for item in GoldItem.objects.filter(project=member.project, is_correct=False):
            retire_gold(item=item, because="drawn wrongly", at=NOON + timedelta(days=1))

    def test_a_stop_that_rested_on_retired_gold_is_told_and_undone_by_one_click(self, stopped):
        client, address = signed_in(stopped.project), f"/projects/{stopped.project.slug}/workers/"
        assert "doubtful" not in told(client.get(address))
        self.retire(stopped)
        assert "drawn wrongly" in WorkRecord.objects.get(membership=stopped).doubt
        assert StandingChange.objects.filter(membership=stopped).latest("pk").is_note
        shown = told(client.get(address))
        assert "One stop is doubtful" in shown
        (reason,) = re.findall(r'name="reason" value="([^"]+)"', shown)
        client.post(page(stopped, "reinstate/"), {"reason": reason, "restore": "on"})
        stopped.refresh_from_db()
        assert stopped.standing == Standing.QUALIFIED
        assert "was retired" in StandingChange.objects.latest("pk").reason
        assert Judgment.objects.counting().filter(of_gold=False).exists()
        assert selectors.doubtful(stopped.project) == []

    def test_it_is_noted_once_however_many_items_are_retired(self, stopped):
        self.retire(stopped)
        changes = StandingChange.objects.filter(membership=stopped)
        assert [change.is_note for change in changes].count(True) == 1

    def test_one_item_of_many_makes_no_doubt(self, stopped):
        item = GoldItem.objects.filter(question__judgments__worker=stopped.worker, is_correct=False).first()
        retire_gold(item=item, because="drawn wrongly", at=NOON + timedelta(days=1))
        assert selectors.doubtful(stopped.project) == []

    def test_what_a_person_decided_is_not_doubted(self, stopped):
        StandingChange.objects.filter(after=Standing.STOPPED).update(by="eve")
        self.retire(stopped)
        assert selectors.doubtful(stopped.project) == []

    def test_whom_something_else_spoke_against_too_stays_stopped(self, stopped):
        Judgment.objects.filter(worker=stopped.worker).update(elapsed_ms=100)
        self.retire(stopped)
        assert selectors.doubtful(stopped.project) == []


class TestPaying:
    @pytest.fixture
    def ada(self, project) -> Membership:
        set_caps(project=project, questions=None, money=Decimal(100), pay_per_question=Decimal("0.05"))
        person = Person(team.invite(project=project, name="Ada", email="ada@example.org"))
        person.work()
        return person.member

    def test_what_was_earned_is_owed_until_it_is_paid_and_paid_once(self, ada):
        client = signed_in(ada.project)
        assert "1.00 earned, 0.00 paid" in told(client.get(page(ada)))
        body = {"money": "0.60", "reason": "transfer 7", "once": str(uuid4())}
        for _ in range(2):
            client.post(page(ada, "paid/"), body)
        payment = Payment.objects.get()
        assert (payment.money, payment.note, payment.by) == (
            Decimal("0.60"), "transfer 7", f"admin-of-{ada.project.slug}",
        )  # fmt: skip
        assert "1.00 earned, 0.60 paid" in told(client.get(page(ada)))
        answer = client.post(page(ada, "paid/"), {"money": "0.41", "once": str(uuid4())}, follow=True)
        assert "is owed 0.40" in told(answer)
        assert Payment.objects.count() == 1

    def test_a_bonus_is_in_the_ledger_once_and_owed(self, ada):
        client = signed_in(ada.project)
        body = {"money": "2.50", "reason": "careful work", "once": str(uuid4())}
        for _ in range(2):
            client.post(page(ada, "bonus/"), body)
        assert spend_of(ada.project).bonuses == Decimal("2.50")
        assert "3.50 earned, 0.00 paid" in told(client.get(page(ada)))
        assert ada.project.ledger.get(kind="bonus").note == f"admin-of-{ada.project.slug}: careful work"

    def test_a_bonus_that_makes_no_sense_or_passes_the_cap_is_nowhere(self, ada):
        client = signed_in(ada.project)
        for body in ({"money": "x"}, {"money": "-1"}, {"money": "500"}, {"reason": ""}):
            given = {"money": "1", "reason": "careful", "once": str(uuid4()), **body}
            assert "callout is-reject" in told(client.post(page(ada, "bonus/"), given, follow=True))
        assert spend_of(ada.project).bonuses == 0

    def test_late_answers_and_pages_that_were_left_are_paid_to_who_gave_them(self, project):
        set_caps(project=project, questions=None, money=Decimal(100), pay_per_question=Decimal("0.05"))
        ben = Person.of(project, "Ben")
        items = list(ben.open().items.select_related("question__mask", "question__gold"))
        for item in items[:3]:
            ben.answer(item)
        signed_in(project).post(page(ben.member, "stop/"), {"counts": "none", "reason": "x"})
        assert project.ledger.get(kind="settle").payee == ben.member.worker_id


def away(*_: object) -> None:
    raise SMTPException("away")


class TestWriting:
    def test_people_with_an_address_get_a_mail_once(self, project):
        ada = team.invite(project=project, name="Ada", email="ada@example.org")
        client, body = signed_in(project), {"text": "Please look at the edges.", "once": str(uuid4())}
        for _ in range(2):
            client.post(page(ada, "message/"), body)
        (sent,) = mail.outbox
        assert (sent.to, sent.body) == (["ada@example.org"], "Please look at the edges.")
        message = Message.objects.get()
        assert (message.by, message.sent_at is not None) == (f"admin-of-{project.slug}", True)
        assert "Please look at the edges." in told(client.get(page(ada)))

    def test_a_mail_that_did_not_go_off_is_shown_as_such_and_sent_when_the_form_comes_again(
        self, project, monkeypatch
    ):
        ada = team.invite(project=project, name="Ada", email="ada@example.org")
        client, body = signed_in(project), {"text": "Please look at the edges.", "once": str(uuid4())}
        with monkeypatch.context() as outage:
            outage.setattr(messaging, "send_mail", away)
            answer = client.post(page(ada, "message/"), body, follow=True)
        assert "The mail did not go off: away" in told(answer)
        assert "The mail did not go off." in told(client.get(page(ada)))
        for _ in range(2):
            client.post(page(ada, "message/"), body)
        assert len(mail.outbox) == 1
        assert "The mail did not go off." not in told(client.get(page(ada)))

    @pytest.mark.django_db(transaction=True)
    def test_a_form_that_comes_twice_at_once_is_one_mail(self, project):
        ada = team.invite(project=project, name="Ada", email="ada@example.org")
        write = partial(messaging.write_to, membership=ada, text="Hello", by="root", once=uuid4(), at=NOON)
        sent = together([write] * 8)
        assert {message.sent_at for message in sent} == {NOON}
        assert len(mail.outbox) == 1

    def test_a_projects_name_cannot_add_headers(self, project):
        Project.objects.filter(pk=project.pk).update(name="A\nBcc: all@example.org")
        ada = team.invite(project=project, name="Ada", email="ada@example.org")
        signed_in(project).post(page(ada, "message/"), {"text": "Hello", "once": str(uuid4())})
        assert mail.outbox[0].bcc == []
        assert mail.outbox[0].subject == "About your work on A Bcc: all@example.org"

    def test_where_there_is_no_way_the_page_says_so(self, project):
        ben, client = Person.of(project, "Ben").member, signed_in(project)
        assert "They gave no address" in told(client.get(page(ben)))
        answer = client.post(page(ben, "message/"), {"text": "Hello", "once": str(uuid4())}, follow=True)
        assert "There is no way to write to Ben" in told(answer)
        assert not Message.objects.exists()

    def test_nothing_and_too_much_are_not_sent(self, project):
        ada, client = team.invite(project=project, name="Ada", email="ada@example.org"), signed_in(project)
        for text in ("", " ", "x" * 4001):
            client.post(page(ada, "message/"), {"text": text, "once": str(uuid4())})
        assert mail.outbox == []


def test_a_page_of_a_worker_is_not_kept_by_browsers(project):
    ada = Person.of(project).member
    assert "no-store" in signed_in(project).get(page(ada)).headers["Cache-Control"]
