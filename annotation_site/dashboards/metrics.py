"""Figures for Prometheus, read from the facts when they are asked for: the same from every process."""

from __future__ import annotations

from collections.abc import Iterator

from django.db.models import Count, Q, Sum
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from annotation_site.budget.models import Budget
from annotation_site.catalog.models import Project, StageRun
from annotation_site.dashboards.sharing import shared_as
from annotation_site.dashboards.system import database_size, queues
from annotation_site.people.models import Membership
from annotation_site.verification.models import Assignment, Cluster
from annotation_site.verification.yields import Masks, masks_by_project, questions_by_project

BY_PROJECT = ["project"]


class Facts(Collector):
    """What Maskgrove knows of itself."""

    def describe(self) -> Iterator[Metric]:
        """Nothing: registering must not ask the database."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """Families of samples."""
        yield from _campaigns()
        yield from _stages()
        yield GaugeMetricFamily("maskgrove_database_bytes", "Size of the database.", database_size())
        waiting = GaugeMetricFamily("maskgrove_queue_messages", "Messages that wait.", labels=["queue"])
        for queue, length in queues().items():
            waiting.add_metric([queue], length)
        yield waiting


def _campaigns() -> Iterator[Metric]:
    in_use = Project.objects.exclude(state__in=Project.PUT_AWAY)
    projects = {project.pk: project.slug for project in in_use}
    keys = list(projects)
    # As of the scrape before: a million masks' decisions are not counted while Prometheus waits.
    counted = f"metrics:{'-'.join(map(str, keys))}"
    decided, questions = shared_as(counted, lambda: (masks_by_project(keys), questions_by_project(keys)))
    values = {
        ("accepted_masks", "Masks that are accepted."): {
            key: decided.get(key, Masks()).accepted for key in keys
        },
        ("open_clusters", "Clusters that are asked about."): _counted(
            Cluster.objects.filter(is_open=True), "tree__round__project"
        ),
        ("open_hits", "HITs that people hold."): _counted(Assignment.objects.live(), "project"),
        ("workers", "People who may answer."): _counted(
            Membership.objects.exclude(standing="stopped"), "project"
        ),
        ("committed_money", "Spent or reserved."): dict(
            Budget.objects.values_list("project").annotate(sum=Sum("committed_money"))
        ),
    }
    for (name, about), found in values.items():
        family = GaugeMetricFamily(f"maskgrove_{name}", about, labels=BY_PROJECT)
        for key, slug in projects.items():
            family.add_metric([slug], float(found.get(key, 0)))
        yield family
    answers = CounterMetricFamily("maskgrove_answers", "Answers that were given.", labels=BY_PROJECT)
    for key, slug in projects.items():
        answers.add_metric([slug], questions.get(key, 0))
    yield answers


def _counted(rows: object, by: str) -> dict[int, int]:
    found: dict[int, int] = dict(rows.values_list(by).annotate(n=Count("pk")))  # type: ignore[attr-defined]
    return found


def _stages() -> Iterator[Metric]:
    family = GaugeMetricFamily("maskgrove_stages", "Stages of the pipeline by state.", labels=["state"])
    states = {state: Count("pk", filter=Q(state=state)) for state in StageRun.State.values}
    in_use = StageRun.objects.exclude(round__project__state__in=Project.PUT_AWAY)
    for state, number in in_use.aggregate(**states).items():
        family.add_metric([state], number)
    yield family


registry = CollectorRegistry()
registry.register(Facts())
