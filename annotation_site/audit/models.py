"""The log of changes. Triggers write it, and others refuse to change it."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class Entry(models.Model):
    """A row that was made, changed or deleted. Nothing here refers to another table: what is gone stays told.

    `before` and `after` hold the columns that differ; all of them where the row was made or deleted.
    """

    class Via(models.TextChoices):
        PAGE = "page"
        API = "api", "API"
        COMMAND = "command"
        TASK = "task"
        VISITOR = "visitor", "visitor who is not signed in"
        DATABASE = "database", "database itself"

    class Change(models.TextChoices):
        INSERT = "insert", "made"
        UPDATE = "update", "changed"
        DELETE = "delete", "deleted"

    at = models.DateTimeField()
    who = models.CharField(max_length=150, help_text="A user's name, a command, a task, or a database role.")
    user_id = models.BigIntegerField(null=True)
    via = models.CharField(max_length=8, choices=Via.choices)
    request = models.CharField(max_length=64, blank=True, help_text="The id of the request, as logs have it.")
    project_id = models.BigIntegerField(null=True)
    what = models.CharField(max_length=60, help_text="The model, as catalog.Project.")
    row = models.CharField(max_length=40, help_text="The row's key.")
    name = models.CharField(max_length=300, blank=True, help_text="What people call the row.")
    change = models.CharField(max_length=6, choices=Change.choices)
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)

    class Meta:
        verbose_name_plural = "entries"
        ordering: ClassVar = ["-pk"]
        indexes: ClassVar = [
            models.Index(fields=["project_id", "-id"], name="changes_of_a_project"),
            models.Index(fields=["project_id", "who", "-id"], name="changes_by_whom"),
            models.Index(fields=["project_id", "what", "-id"], name="changes_of_what"),
            models.Index(fields=["who", "-id"], name="changes_anywhere_by_whom"),
            models.Index(fields=["what", "-id"], name="changes_anywhere_of_what"),
        ]

    def __str__(self) -> str:
        return f"{self.who} {self.get_change_display()} {self.what} {self.row}"
