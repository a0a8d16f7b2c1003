"""Whether a worker may answer: by how well they answer gold."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from scipy.stats import beta

from annotation_site.people.models import Membership, Standing, StandingChange, TrustPolicy

CONFIDENCE = 0.95


class WorkerStopped(Exception):
    """The worker may not answer on this project any more; the message may be shown to them."""


@dataclass(frozen=True, slots=True)
class GoldRecord:
    """How a worker answered gold; "cannot tell" is wrong, as the answer could be told where the photo was."""

    right: int
    wrong: int

    @property
    def answered(self) -> int:
        return self.right + self.wrong

    @property
    def at_least(self) -> float:
        """The accuracy that the worker surpasses with 95 % confidence (Clopper-Pearson)."""
        return float(beta.ppf(1 - CONFIDENCE, self.right, self.wrong + 1)) if self.right else 0.0

    @property
    def at_most(self) -> float:
        """The accuracy that the worker stays below with 95 % confidence (Clopper-Pearson)."""
        return float(beta.ppf(CONFIDENCE, self.right + 1, self.wrong)) if self.wrong else 1.0


def assess(record: GoldRecord, policy: TrustPolicy, *, current: Standing) -> tuple[Standing, str]:
    """The standing that a record earns, and why; who is stopped stays so until a person decides otherwise."""
    if current in (Standing.STOPPED, Standing.NEW) or record.answered < policy.least_gold:
        return current, ""
    known = (
        f"{record.right} of {record.answered} gold answers right, so at most {record.at_most:.0%} accurate"
    )
    if record.at_most < policy.stop_below:
        return Standing.STOPPED, f"{known}; {policy.stop_below:.0%} is needed."
    if record.at_most < policy.watch_below:
        return Standing.PROBATION, f"{known}; watched below {policy.watch_below:.0%}."
    return Standing.ACTIVE, f"{known}."


def hold_membership(membership: Membership) -> Standing:
    """Hold a membership until the transaction ends; the standing that it has until then."""
    locked = Membership.objects.select_for_update(no_key=True).get(pk=membership.pk)
    return Standing(locked.standing)


@transaction.atomic
def change_standing(*, membership: Membership, to: Standing, reason: str, at: datetime) -> bool:
    """Change a standing and note why; False when it was that already."""
    before = hold_membership(membership)
    membership.standing = to
    if before == to:
        return False
    Membership.objects.filter(pk=membership.pk).update(standing=to)
    StandingChange.objects.create(membership=membership, before=before, after=to, reason=reason, at=at)
    return True
