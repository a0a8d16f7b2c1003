"""A simulated crowd works through the same pages and API as people, whatever happens to the site."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import httpx
import numpy as np
import pytest
from django.core.management import CommandError, call_command

from annotation_site.budget.caps import set_caps
from annotation_site.budget.models import Budget
from annotation_site.catalog.models import Annotation, Image, Mask, Project
from annotation_site.pages.crowd.caught import Worth, caught, told, worth_of
from annotation_site.pages.crowd.crowd import Floor, recruit, run_crowd
from annotation_site.pages.crowd.population import (
    Behaviour,
    InvalidPopulation,
    honest,
    read_population,
)
from annotation_site.pages.crowd.truth import NoGroundTruth, check_ground_truth, right_answers
from annotation_site.pages.crowd.visitor import Notice, SiteGone, Visitor
from annotation_site.people.models import Membership, Standing
from annotation_site.verification.checking import check_campaign
from annotation_site.verification.models import Assignment, Judgment, Says
from pipeline.progress import StopRequested
from tests.factories import AnnotationFactory, paint
from tests.site.campaigns import (
    Person,
    items,
    opened,
    project_with_clusters,
    project_with_tree,
    standing,
    truth,
)
from tests.site.lessons import add_lessons
from tests.site.verified_projects import verified


@pytest.fixture
def project(tmp_path: Path, transactional_db: None) -> Project:
    """Thirty-two right and as many wrong masks of a painted photo."""
    return answerable(project_with_tree([True] * 32 + [False] * 32, gold=10, hit_size=20, n_s=10), tmp_path)


def answerable(project: Project, folder: Path) -> Project:
    """The campaign opened, its photos painted, so that crops can be rendered, and 200 questions paid."""
    for image in Image.objects.filter(project=project):
        image.folder = folder
        Image.objects.filter(pk=image.pk).update(path=str(paint(image)))
    set_caps(project=project, questions=200, money=None)
    pool = Image.objects.get(masks__tree__round__project=project, masks__position=0)
    Image.objects.filter(pk=pool.pk).update(coco_id=1)
    AnnotationFactory(image=pool, category=project.categories.get())
    return opened(project)


def test_a_crowd_answers_until_nothing_is_open(project: Project, live_server: object) -> None:
    people = recruit(project, [Behaviour(count=3, accuracy=1.0)])
    tallies = run_crowd(people, live_server.url, seed=1)
    assert standing(project) == {(0, 64): "split", (0, 32): "accept", (32, 64): "reject"}
    assert check_campaign(project) == []
    assert tallies["honest"].answers == Judgment.objects.count()
    assert tallies["honest"].right == tallies["honest"].answers


def test_whoever_leaves_keeps_their_answers_and_the_others_go_on(
    project: Project, live_server: object
) -> None:
    population = [Behaviour(count=2, accuracy=1.0), Behaviour("gone", leaves=1.0)]
    tallies = run_crowd(recruit(project, population), live_server.url, seed=1, photos=False)
    assert (tallies["gone"].answers, tallies["gone"].ended) == (0, {"left": 1})
    assert Assignment.objects.live().count() == 1
    assert tallies["honest"].answers
    assert check_campaign(project) == []


def test_answers_taken_back_and_given_again_leave_a_sound_state(
    project: Project, live_server: object
) -> None:
    people = recruit(project, [Behaviour(count=3, accuracy=0.9, undo=0.3, unsure=0.1)])
    tallies = run_crowd(people, live_server.url, seed=2, photos=False)
    assert tallies["honest"].undone
    assert (
        Judgment.objects.filter(retracted_because="undone by the worker").count() == tallies["honest"].undone
    )
    assert check_campaign(project) == []


def test_who_says_yes_to_everything_is_stopped_and_undone(
    tmp_path: Path, transactional_db: None, live_server: object
) -> None:
    shown = project_with_clusters([0.0] * 20, gold=40, hit_size=20, gold_share=0.5)
    project = answerable(shown, tmp_path)
    population = [Behaviour("spammer", habit="yes"), Behaviour(count=2, accuracy=1.0)]
    recruited = recruit(project, population)
    tallies = run_crowd(recruited, live_server.url, seed=3, photos=False)
    assert tallies["spammer"].ended == {"stopped": 1}
    assert Membership.objects.get(worker__name="Simulated spammer 1").standing == Standing.STOPPED
    assert "accept" not in standing(project).values()
    assert check_campaign(project) == []
    spammer, honest_ones = caught(recruited)
    assert (spammer.stopped, spammer.counting, spammer.because) == (1, 0, ["gold"])
    assert spammer.until_stopped == spammer.answers + spammer.gold
    assert (honest_ones.stopped, honest_ones.gold_right) == (0, honest_ones.gold)
    assert honest_ones.counting == honest_ones.answers > 0
    assert "1 stopped; gold" in told(spammer)
    assert worth_of(project) == Worth(accepted=0, correct=0, withdrawn=worth_of(project).withdrawn)


@pytest.mark.django_db
def test_what_a_crowd_is_worth_is_told_by_the_ground_truth_alone() -> None:
    """Masks of the pool come without an IoU."""
    project = verified([True] * 24 + [False] * 8, says=lambda item: Says.YES)
    Mask.objects.update(iou=None)
    worth = worth_of(project)
    assert worth == Worth(accepted=32, correct=24, withdrawn=0)
    assert worth.precision == 0.75


def test_a_bot_that_is_right_is_stopped_for_its_speed(
    tmp_path: Path, transactional_db: None, live_server: object
) -> None:
    shown = project_with_clusters([1.0] * 20, gold=40, hit_size=45)
    project = answerable(shown, tmp_path)
    recruited = recruit(project, [Behaviour("bot", accuracy=1.0, seconds=0.05)])
    run_crowd(recruited, live_server.url, seed=3, photos=False)
    (bot,) = caught(recruited)
    assert (bot.stopped, bot.because, bot.counting) == (1, ["speed"], 0)
    assert bot.gold_right == bot.gold
    assert standing(project) == {}
    assert check_campaign(project) == []


def test_a_crowd_takes_the_test_by_the_same_pages_and_who_cannot_pass_stays_out(
    project: Project, live_server: object, tmp_path: Path
) -> None:
    add_lessons(project)
    population = [
        Behaviour(count=2, accuracy=1.0),
        Behaviour("spammer", habit="yes"),
        Behaviour("pretender", habit="yes", test_accuracy=1.0),
    ]
    tallies = run_crowd(recruit(project, population), live_server.url, seed=3, photos=False)
    assert (tallies["spammer"].tests, tallies["spammer"].answers) == (3, 0)
    assert tallies["spammer"].ended == {"not-passed": 1}
    assert tallies["pretender"].tests == 1
    assert tallies["pretender"].answers > 0
    assert tallies["honest"].tests == 2
    assert sum(tally.answers for tally in tallies.values()) == Judgment.objects.count()
    assert check_campaign(project) == []


def test_a_stop_lets_everyone_finish_the_answer_at_hand(project: Project, live_server: object) -> None:
    def stop(done: int, total: int, message: str = "") -> None:
        if done > 3:
            raise StopRequested("Stopped by Ctrl-C.")

    people = recruit(project, [Behaviour(count=3, accuracy=1.0)])
    with pytest.raises(StopRequested):
        run_crowd(people, live_server.url, seed=1, photos=False, progress=stop)
    assert check_campaign(project) == []
    run_crowd(people, live_server.url, seed=1, photos=False)
    assert standing(project) == {(0, 64): "split", (0, 32): "accept", (32, 64): "reject"}


def test_the_command_serves_itself_and_says_what_was_done(project: Project) -> None:
    out = StringIO()
    call_command("simulate_crowd", project.slug, workers=2, accuracy=1.0, stdout=out, without_photos=True)
    answers = Judgment.objects.count()
    assert f"honest: {answers} answers" in out.getvalue()
    assert "accepted masks in images with ground truth, 100.0% of them correct" in out.getvalue()
    assert "100.0% right" in out.getvalue()
    assert standing(project)[(0, 32)] == "accept"
    assert Budget.objects.get(project=project).committed_questions == answers


def test_a_project_without_ground_truth_is_refused(project: Project) -> None:
    Annotation.objects.all().delete()
    with pytest.raises(NoGroundTruth, match="ground truth"):
        check_ground_truth(project)
    with pytest.raises(CommandError, match="ground truth"):
        call_command("simulate_crowd", project.slug)


def test_the_right_answer_is_the_iou_with_the_best_object(project: Project) -> None:
    held = items(Person.of(project).open())
    known = right_answers([item.key for item in held])
    for item in held:
        assert known[item.key].right == truth(item)
        assert known[item.key].question == item.question_id


def test_recruiting_again_brings_the_same_people(project: Project) -> None:
    first, again = (recruit(project, honest(3, accuracy=0.9, seconds=1.0)) for _ in range(2))
    assert [member for member, _ in first] == [member for member, _ in again]


class TestVisitor:
    """What a browser without a screen does when the site is away."""

    def visitor(self, *responses: httpx.Response | Exception) -> Visitor:
        waiting = list(responses)

        def respond(_request: httpx.Request) -> httpx.Response:
            response = waiting.pop(0) if len(waiting) > 1 else waiting[0]
            if isinstance(response, Exception):
                raise response
            return response

        return Visitor("http://site", "secret", sleep=lambda _: None, transport=httpx.MockTransport(respond))

    def test_it_repeats_its_request_until_the_site_is_back(self) -> None:
        away = [
            httpx.ConnectError("refused"),
            httpx.Response(502),
            httpx.ReadError("reset"),
            httpx.Response(429),
        ]
        back = httpx.Response(200, headers={"X-Notice": "nothing-left"})
        visitor = self.visitor(*away, back)
        assert visitor.open_page() == Notice("nothing-left")
        assert visitor.retries == 4

    def test_it_gives_up_in_the_end(self) -> None:
        with pytest.raises(SiteGone, match="http://site"):
            self.visitor(httpx.ConnectError("refused")).arrive()


class TestPopulation:
    """Who is in a crowd, by a file."""

    def test_a_file_lists_behaviours(self, tmp_path: Path) -> None:
        file = tmp_path / "crowd.toml"
        file.write_text('[[workers]]\ncount = 6\naccuracy = 0.9\n[[workers]]\nname = "bot"\nhabit = "yes"')
        assert read_population(file) == [Behaviour(count=6, accuracy=0.9), Behaviour("bot", habit="yes")]

    def test_json_will_do_too(self, tmp_path: Path) -> None:
        file = tmp_path / "crowd.json"
        file.write_text('{"workers": [{"name": "bot", "seconds": 0.2}]}')
        assert read_population(file) == [Behaviour("bot", seconds=0.2)]

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("[[workers", "malformed"),
            ("", "tables called workers"),
            ("[[workers]]\nspeed = 3", "called speed"),
            ("[[workers]]\naccuracy = 1.2", "accuracy is 1.2"),
            ('[[workers]]\naccuracy = "good"', "wrong type"),
            ('[[workers]]\nhabit = "maybe"', "maybe"),
            ("[[workers]]\ncount = 0", "above 0"),
        ],
    )
    def test_a_file_that_cannot_be_meant_is_refused(self, tmp_path: Path, text: str, reason: str) -> None:
        file = tmp_path / "crowd.toml"
        file.write_text(text)
        with pytest.raises(InvalidPopulation, match=reason):
            read_population(file)

    def test_a_file_that_is_not_there_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidPopulation, match="cannot be read"):
            read_population(tmp_path / "nobody.toml")

    def test_people_err_as_often_as_stated(self) -> None:
        rng = np.random.default_rng(0)
        person = Behaviour(accuracy=0.9, unsure=0.1)
        said = [person.says(Says.YES, question=n, rng=rng) for n in range(4000)]
        assert said.count(Says.UNSURE) / 4000 == pytest.approx(0.1, abs=0.02)
        assert said.count(Says.NO) / 4000 == pytest.approx(0.09, abs=0.02)

    def test_those_who_collude_err_on_the_same_masks(self) -> None:
        pair = Behaviour(accuracy=0.6, together=True)
        first, second = (
            [pair.says(Says.YES, question=n, rng=np.random.default_rng(seed)) for n in range(200)]
            for seed in (1, 2)
        )
        assert first == second
        assert Says.NO in first

    def test_response_times_have_the_stated_median(self) -> None:
        rng = np.random.default_rng(0)
        seconds = [Behaviour(seconds=1.4).looks_for(rng) for _ in range(2000)]
        assert np.median(seconds) == pytest.approx(1.4, rel=0.05)


class TestFloor:
    """When a crowd goes home."""

    def test_it_closes_when_all_are_idle_and_nobody_answered_since(self) -> None:
        floor = Floor(2)
        floor.idle(0)
        floor.answered()
        floor.idle(1)
        assert not floor.closed.is_set()
        floor.idle(0)
        assert floor.closed.is_set()

    def test_who_has_a_page_again_is_not_idle(self) -> None:
        floor = Floor(2)
        floor.idle(0)
        floor.busy(0)
        floor.idle(1)
        assert not floor.closed.is_set()

    def test_it_closes_when_the_last_one_leaves(self) -> None:
        floor = Floor(2)
        for worker in range(2):
            floor.left(worker)
        assert floor.closed.is_set()
