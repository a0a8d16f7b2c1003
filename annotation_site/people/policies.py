"""Setting by what a project's workers are judged."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.db import models, transaction

from annotation_site.catalog.models import Project
from annotation_site.people.models import TrustPolicy


class PolicyRefused(ValueError):
    """Thresholds that make no sense; the message says which."""


def policy_fields() -> list[models.Field[Any, Any]]:
    """The fields of a policy that may be set, for forms and command lines."""
    return [field for field in TrustPolicy._meta.fields if field.name not in ("id", "project")]


def policy_of(project_id: int) -> TrustPolicy:
    """A project's own policy; the defaults where it has none."""
    return TrustPolicy.objects.filter(project=project_id).first() or TrustPolicy(project_id=project_id)


@transaction.atomic
def set_policy(*, project: Project, **thresholds: Any) -> TrustPolicy:
    """Change some thresholds of a project; they hold from each worker's next review on.

    Parameters
    ----------
    thresholds : by the fields of `TrustPolicy`; those left out stay as they are

    Raises
    ------
    PolicyRefused
        When a value is out of range, or who is stopped would not have been watched before.
    """
    policy, _ = TrustPolicy.objects.select_for_update(no_key=True).get_or_create(project=project)
    known = {field.name for field in policy_fields()}
    if unknown := sorted(set(thresholds) - known):
        raise PolicyRefused(
            f"No threshold is called {', '.join(unknown)}; there are {', '.join(sorted(known))}."
        )
    for name, value in thresholds.items():
        setattr(policy, name, value)
    _check(policy)
    policy.save()
    return policy


def _check(policy: TrustPolicy) -> None:
    try:
        policy.full_clean()
    except ValidationError as error:
        told = "; ".join(f"{name}: {' '.join(texts)}" for name, texts in error.message_dict.items())
        raise PolicyRefused(told) from error
    for stop, watch in (
        ("stop_below", "watch_below"),
        ("stop_agreeing_below", "watch_agreeing_below"),
        ("stop_faster_ms", "watch_faster_ms"),
    ):
        if getattr(policy, stop) > getattr(policy, watch):
            raise PolicyRefused(f"{stop} is above {watch}: nobody would be watched before they are stopped.")
