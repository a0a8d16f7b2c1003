"""The Celery app; its settings are the site's, named CELERY_*."""

from __future__ import annotations

import os

import django
from celery import Celery
from celery.signals import beat_init, celeryd_init

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "annotation_site.settings")
django.setup()

app = Celery("maskgrove")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["workers"], force=True)
app.autodiscover_tasks(["workers"], related_name="gpus", force=True)


@celeryd_init.connect
@beat_init.connect
def start_broker(**_signal: object) -> None:
    """Where no broker is set, the one of `var` is there before anything connects to it."""
    from django.conf import settings

    from annotation_site import embedded

    if settings.REDIS_EMBEDDED:
        embedded.ensure_redis(settings.VAR)
