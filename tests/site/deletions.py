"""Projects that are put away and deleted, for tests."""

from __future__ import annotations

from decimal import Decimal
from uuid import uuid4

from django.contrib.auth.models import User

from annotation_site.api import tokens
from annotation_site.api.models import Scope
from annotation_site.budget import ledger
from annotation_site.budget.caps import set_caps
from annotation_site.catalog.models import KnownObject, Mask, Project, Replacement
from annotation_site.catalog.rounds import current_round
from annotation_site.catalog.storage import writing
from annotation_site.closing.archiving import archive
from annotation_site.closing.deleting import ask_for_deletion, run_deletion
from annotation_site.closing.models import Deletion
from annotation_site.marketplaces.accounts import note_payment
from annotation_site.marketplaces.models import Action, Submission
from annotation_site.verification.models import Cluster, Overruling
from annotation_site.verification.overruling import overrule
from annotation_site.webhooks import webhooks
from annotation_site.webhooks.models import Kind as Told
from tests.factories import NOON
from tests.site.api_ground import ApiGround
from tests.site.campaigns import Person


def rich_ground() -> ApiGround:
    """A campaign that is half done and paid, with something in most tables."""
    ground = ApiGround.laid()
    project = ground.project
    set_caps(project=project, questions=None, money=Decimal(100), pay_per_question=Decimal("0.01"))
    ben = Person.of(project, "Ben")
    ben.work()
    ledger.give_bonus(
        project=project, money=Decimal(2), reference="b", note="x", payee=ben.member.worker_id, at=NOON
    )
    note_payment(membership=ben.member, money=Decimal(1), by="owner", once=uuid4(), at=NOON)
    masks = list(Mask.objects.all()[:2])
    KnownObject.objects.create(round=current_round(project), mask=masks[0])
    Replacement.objects.create(mask=masks[1], earlier=masks[0], iou=0.8)
    webhooks.add_webhook(
        project=project, url="https://1.1.1.1/", kinds=Told.values, description="", by=None, at=NOON
    )
    tokens.issue(user=ground.owner, name="x", scope=Scope.READ, at=NOON, projects=[project])
    Overruling.objects.update(replaced_by=Overruling.objects.get())
    cluster = Cluster.objects.filter(tree__round__project=project).earliest("pk")
    for verdict in ("accept", "reject"):  # The second replaces the first.
        overrule(
            tree=cluster.tree, node=cluster.node, verdict=verdict, reason="seen", by=ground.owner, at=NOON
        )
    with writing(f"projects/{project.pk}/rounds/1/shards/pool-00000.npz") as file:
        file.write(b"x")
    return ground


def settle(project: Project) -> None:
    """Have nothing of it wait any more: no export, nothing on a marketplace."""
    project.exports.all().delete()
    Submission.objects.filter(listing__project=project).update(state="approved", booked_at=NOON)
    Action.objects.filter(listing__project=project).update(failed_at=None, done_at=NOON)


def asked(project: Project, *, keep_answers: bool = True, by: User | None = None) -> Deletion:
    return ask_for_deletion(project=project, name=project.name, keep_answers=keep_answers, by=by, at=NOON)


def deleted(project: Project, **options: object) -> Deletion:
    return run_deletion(asked(project, **options))


def begun() -> Deletion:
    """The only one that a test asked for; the ground has an earlier one."""
    return Deletion.objects.exclude(slug="doors").get()


def put_away(project: Project) -> Project:
    archive(project=project, at=NOON)
    return project
