from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.db.backends.signals import connection_created
from django.db.models.signals import post_migrate, pre_migrate


class AuditConfig(AppConfig):
    name = "annotation_site.audit"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from annotation_site.audit import acting

        connection_created.connect(acting.listen, dispatch_uid="who is told with each change")
        pre_migrate.connect(_before, sender=self, dispatch_uid="audit triggers step aside")
        post_migrate.connect(_after, sender=self, dispatch_uid="audit triggers as they should be")


def _before(*, using: str, plan: list[Any], **_: object) -> None:
    from annotation_site.audit import triggers

    if plan:  # Postgres refuses to alter a column that a trigger names.
        triggers.remove(using=using)


def _after(*, using: str, **_: object) -> None:
    from annotation_site.audit import triggers

    triggers.install(using=using)
