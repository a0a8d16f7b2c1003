"""Which role an imported image gets: one for all, or by shares. And how many images have which."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from annotation_site.catalog.models import ImageCount, Project, Role

TOLERANCE = 1e-6


class InvalidShares(ValueError):
    """Shares that are no way to divide images among roles."""


@dataclass(frozen=True, slots=True)
class RoleShares:
    """Divides images among roles by a hash of their content.

    An image's role depends on its bytes and the seed alone: importing again, or a folder that has grown,
    gives each image the role it had. The shares are met on average, not to the image.
    """

    shares: Mapping[Role, float]
    seed: int = 0

    def __post_init__(self) -> None:
        if any(share < 0 for share in self.shares.values()) or abs(sum(self.shares.values()) - 1) > TOLERANCE:
            told = ", ".join(f"{role}={share:g}" for role, share in self.shares.items())
            raise InvalidShares(f"Shares are not negative and sum to 1; these do not: {told}.")

    @classmethod
    def all(cls, role: Role) -> Self:
        """Every image gets the same role."""
        return cls({role: 1.0})

    @classmethod
    def parse(cls, text: str, *, seed: int = 0) -> Self:
        """Shares written as "heldout=0.5,pool=0.5".

        Raises
        ------
        InvalidShares
        """
        shares: dict[Role, float] = {}
        for part in text.split(","):
            name, _, share = part.partition("=")
            try:
                shares[Role(name.strip())] = float(share)
            except ValueError:
                roles = ", ".join(Role.values)
                raise InvalidShares(f"{part!r} is not ROLE=SHARE with a role of {roles}.") from None
        return cls(shares, seed)

    @property
    def roles(self) -> list[Role]:
        """The roles that an image may get."""
        return [role for role, share in self.shares.items() if share > 0]

    def role_of(self, digest: str) -> Role:
        """The role of the image whose content has this digest."""
        drawn = hashlib.sha256(f"{self.seed}:{digest}".encode()).digest()[:8]
        place = int.from_bytes(drawn, "big") / 2**64
        reached = 0.0
        for role in self.roles:
            reached += self.shares[role]
            if place < reached:
                return role
        return self.roles[-1]


def image_counts(project: Project) -> dict[str, int]:
    """Images of each role, without counting them: the database keeps their number."""
    return {role: images for role, (images, _) in kept_counts(project).items()}


def kept_counts(project: Project) -> dict[str, tuple[int, int]]:
    """Of each role: images, and those of them that were left where they were, as the database keeps both."""
    kept = ImageCount.objects.filter(project=project).values_list("role", "images", "in_place")
    found = {role: (images, in_place) for role, images, in_place in kept}
    return {role: found.get(role, (0, 0)) for role in Role.values}
