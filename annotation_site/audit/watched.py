"""Whose changes are kept: one line for a model.

Not the tables that grow with the data (masks, questions, judgments, decisions): they are append-only trails
of their own, and hundreds of people write them every second. `migrate` brings the triggers in line with this
list.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from django.apps import apps
from django.db.models import Field, Model


@dataclass(frozen=True, slots=True)
class Watched:
    """A model whose changes are kept.

    Attributes
    ----------
    model : as catalog.Project
    project, name : where its project's key is found, and what people call the row; fields, or paths of them
    ignore, only : fields whose changes are no news; or the only ones that are
    secret : fields of which is only told that they changed
    on : what is kept of insert, update and delete
    when : SQL about NEW, where not every row is meant; not with delete
    called : by people, where the model's own name says nothing to them
    """

    model: str
    project: str = ""
    name: str = ""
    ignore: Iterable[str] = ()
    only: Iterable[str] = ()
    secret: Iterable[str] = ()
    on: tuple[str, ...] = ("insert", "update", "delete")
    when: str = ""
    called: str = ""

    @property
    def cls(self) -> type[Model]:
        return apps.get_model(self.model)

    @property
    def table(self) -> str:
        return self.cls._meta.db_table

    @property
    def told(self) -> list[str]:
        """The columns whose changes are kept."""
        fields = self.cls._meta.local_concrete_fields
        return [str(field.column) for field in fields if self._tells(field)]

    @property
    def ignored(self) -> list[str]:
        told = set(self.told)
        return [str(f.column) for f in self.cls._meta.local_concrete_fields if f.column not in told]

    @property
    def hidden(self) -> list[str]:
        return [self.column(name) for name in self.secret]

    def column(self, name: str) -> str:
        field = self.cls._meta.get_field(name)
        assert isinstance(field, Field)
        return str(field.column)

    def _tells(self, field: Field) -> bool:  # type: ignore[type-arg]
        return field.name in set(self.only) if self.only else field.name not in set(self.ignore)


OUTLINE = ("x", "y", "width", "height", "counts", "iou", "source_id", "key")
WATCHED = (
    Watched("catalog.Project", project="id", name="name"),
    Watched("catalog.Category", project="project", name="name"),
    Watched("catalog.Round", project="project", name="number", ignore=["calibration"]),
    Watched("catalog.StageRun", project="round__project", name="stage", only=["state", "error"]),
    Watched(
        "catalog.OfferedPredictions", project="round__project", name="results",
        ignore=["folder", "begun_at"], on=("insert", "delete"),
    ),
    Watched(
        "preparing.ImportRun", project="project", name="place",
        ignore=["done", "total", "message", "report", "deaths", "reached", "begun_at", "finished_at"],
    ),
    Watched(
        "budget.Budget", project="project", ignore=["committed_questions", "committed_money", "overdrawn"]
    ),
    Watched("access.Grant", project="project", name="user__username"),
    Watched("access.Invitation", project="project", name="email", secret=["secret"]),
    Watched(
        "people.Membership", project="project", name="worker__name", ignore=["standing"], secret=["secret"]
    ),
    Watched("people.StandingChange", project="membership__project", name="membership__worker__name"),
    Watched("people.JoinLink", project="project", secret=["code"]),
    Watched("people.TrustPolicy", project="project"),
    Watched(
        "people.GoldItem", project="project", name="category__name", ignore=OUTLINE[:5],
        on=("insert", "update"),
        when="NEW.added_by <> '' OR NEW.retired_at IS NOT NULL",
    ),
    Watched("qualification.QualificationPolicy", project="project"),
    Watched("qualification.ConsentText", project="project"),
    Watched("qualification.Vouching", project="membership__project", name="membership__worker__name"),
    Watched(
        "qualification.Lesson", project="project", name="category__name", ignore=OUTLINE, on=("update",)
    ),
    Watched("verification.Overruling", project="tree__round__project", name="tree__category__name"),
    Watched("marketplaces.Listing", project="project", name="title"),
    Watched(
        "marketplaces.Action", project="listing__project", name="reference", on=("insert",),
        only=["listing", "kind", "submission", "worker", "money", "reason"],
        when="NEW.kind IN ('reject', 'override', 'bonus')",
    ),
    Watched(
        "marketplaces.Payment", project="membership__project", name="membership__worker__name",
        ignore=["once"],
    ),
    Watched(
        "marketplaces.Message", project="membership__project", name="membership__worker__name",
        only=["membership", "by", "at"],
    ),
    Watched(
        "closing.Deletion", project="project", name="name",
        only=["project", "slug", "name", "asked_by", "keeps_answers", "answers", "finished_at"],
    ),
    Watched(
        "results.Comparison", project="project", name="round__number", ignore=["arms"],
        on=("insert", "delete"),
    ),
    Watched("results.ExportFile", project="project", name="format", on=("insert", "delete")),
    Watched(
        "webhooks.Webhook", project="project", name="url", ignore=["failures", "failing_since"],
        secret=["secret", "earlier_secret"],
    ),
    Watched("api.ApiToken", name="name", ignore=["last_used_at"], secret=["digest"]),
    Watched("api.ApiToken_projects", project="project", name="apitoken__name", called="project of a token"),
    Watched("auth.User", name="username", ignore=["last_login"], secret=["password"]),
    Watched("account.EmailAddress", name="user__username"),
    Watched(
        "socialaccount.SocialAccount", name="user__username", ignore=["last_login", "extra_data"],
        called="sign-in by an identity provider",
    ),
)  # fmt: skip


@cache
def called() -> dict[str, str]:
    """Model -> what people call it, where that is not what the model calls itself."""
    return {one.model: one.called for one in WATCHED if one.called}


@cache
def watched_columns() -> dict[str, frozenset[str]]:
    """Table -> the columns whose changes are kept."""
    return {one.table: frozenset(one.told) for one in WATCHED}
