"""Where a worker is on the way to the first question: consent, the test, work."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from django.http import HttpResponse

from annotation_site.catalog.models import Project
from annotation_site.pages.texts import consent_told
from annotation_site.people.models import Membership
from annotation_site.people.qualification import consent, policy
from annotation_site.people.qualification.attempts import open_attempt


class Step(StrEnum):
    """What comes next; programs read it from the header X-Step."""

    AGREE = "agree"
    TEST = "test"
    NOT_PASSED = "not-passed"
    WORK = "work"


@dataclass(frozen=True, slots=True)
class Terms:
    """What the project's workers agree to, in the visitor's language.

    Attributes
    ----------
    text : Markdown
    version : the same in every language
    """

    text: str
    version: str

    @classmethod
    def of(cls, project: Project) -> Self:
        """The text in force."""
        own = consent.consent_text(project)
        return cls(own or consent_told(), consent.version_of(own or consent_told(translated=False)))


@dataclass(frozen=True, slots=True)
class Way:
    """One worker's next step.

    Attributes
    ----------
    questions : of the test
    left : attempts that they may begin or go on with
    begun : whether they are in the middle of one
    """

    step: Step
    terms: Terms
    questions: int = 0
    left: int = 0
    begun: bool = False

    @classmethod
    def of(cls, membership: Membership) -> Self:
        """Read it from the facts."""
        terms = Terms.of(membership.project)
        if not consent.has_agreed(membership, version=terms.version):
            return cls(Step.AGREE, terms, questions=_questions(membership))
        if policy.is_qualified(membership):
            return cls(Step.WORK, terms)
        left = policy.attempts_left(membership)
        step = Step.TEST if left else Step.NOT_PASSED
        begun = open_attempt(membership) is not None
        return cls(step, terms, questions=_questions(membership), left=left, begun=begun)


def stepping(page: HttpResponse, way: Way) -> HttpResponse:
    """The page, with the worker's next step for programs."""
    page.headers["X-Step"] = way.step.value
    return page


def _questions(membership: Membership) -> int:
    """Of the test that the worker has to pass; 0 when there is none."""
    return 0 if policy.is_qualified(membership) else policy.policy_of(membership.project).questions
