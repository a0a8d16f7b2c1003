"""Long work outside web requests: the Celery app (`celery --app workers worker`) and thin tasks."""

from workers.celery import app

__all__ = ["app"]
