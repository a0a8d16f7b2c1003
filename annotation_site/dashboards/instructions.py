"""Where a project's admins write what workers read, choose examples, and set the test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from annotation_site.catalog import framing, instructing
from annotation_site.catalog.models import Category, Project
from annotation_site.dashboards.access import admins
from annotation_site.dashboards.forms import TestForm, TextForm
from annotation_site.people.qualification import consent, lessons, policy
from annotation_site.people.qualification.models import Attempt, Lesson
from pipeline import masks

EVERYONE, CONSENT = "everyone", "consent"
"""What a text can be about, besides a category by its number."""


@dataclass(frozen=True, slots=True)
class Subject:
    """One of the texts: what it is about, and how it reads now."""

    of: str
    category: Category | None
    text: str


@admins
@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HttpRequest, found: Project) -> HttpResponse:
    """The texts, one at a time with its preview; the examples; the test."""
    subject = _subject(found, request.POST if request.method == "POST" else request.GET)
    form = TextForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        _save(found, subject, form.cleaned_data["text"])
        messages.success(request, _("Saved. Workers read it from now on."))
        return redirect(_address(found, subject.of))
    return render(request, "dashboards/instructions.html", _context(found, subject, form))


@admins
@require_POST
def preview(request: HttpRequest, found: Project) -> HttpResponse:  # noqa: ARG001
    """A text as workers would read it: the fragment that the page swaps in."""
    form = TextForm(request.POST)
    text = form.cleaned_data["text"] if form.is_valid() else ""
    return render(request, "pages/team_text.html", {"text": text})


@admins
@require_POST
def example(request: HttpRequest, found: Project, key: UUID) -> HttpResponse:
    """Leave an example out, or show it again."""
    lesson = get_object_or_404(Lesson, project=found, key=key, is_example=True)
    if request.POST.get("show") == "yes":
        lessons.take_back_in(lesson=lesson)
    else:
        lessons.leave_out(lesson=lesson, at=timezone.now())
    return redirect(_address(found, request.POST.get("of", EVERYONE)) + "#examples")


@admins
@require_POST
def test(request: HttpRequest, found: Project) -> HttpResponse:
    """Change the test, or ask everyone again."""
    back = redirect(_address(found, EVERYONE) + "#test")
    if "again" in request.POST:
        policy.ask_everyone_again(project=found)
        messages.success(request, _("Everyone takes the test again before their next page of work."))
        return back
    form = TestForm(request.POST)
    if not form.is_valid():
        messages.error(
            request, _("A pass mark is 50 to 100 %, there are 0 to 50 questions, 1 to 20 attempts.")
        )
        return back
    values = form.cleaned_data
    try:
        policy.set_policy(
            project=found,
            questions=values["questions"],
            pass_mark=values["pass_percent"] / 100,
            attempts=values["attempts"],
        )
    except policy.InvalidPolicy as error:
        messages.error(request, str(error))
    else:
        messages.success(request, _("The test is changed."))
    return back


def _subject(project: Project, wanted: QueryDict) -> Subject:
    of = wanted.get("of", EVERYONE)
    if of == CONSENT:
        return Subject(of, None, consent.consent_text(project))
    if of.isdecimal():
        category = get_object_or_404(Category, project=project, pk=int(of))
        return Subject(of, category, category.guide)
    return Subject(EVERYONE, None, project.instructions)


def _save(project: Project, subject: Subject, text: str) -> None:
    if subject.category is not None:
        instructing.set_guide(category=subject.category, text=text)
    elif subject.of == CONSENT:
        consent.set_consent_text(project=project, text=text, at=timezone.now())
    else:
        instructing.set_instructions(project=project, text=text)


def _context(project: Project, subject: Subject, form: TextForm) -> dict[str, Any]:
    rules = policy.policy_of(project)
    taken = Attempt.objects.filter(membership__project=project, version=rules.version, passed__isnull=False)
    return {
        "project": project,
        "section": "instructions",
        "subject": subject,
        "text": form["text"].value() if form.is_bound else subject.text,
        "errors": form.errors,
        "categories": project.categories.all(),
        "examples": [_shown(lesson) for lesson in _examples(project, subject)],
        "policy": rules,
        "pass_percent": round(100 * rules.pass_mark),
        "readiness": policy.readiness(project, rules),
        "taken": taken.aggregate(
            people=Count("membership", distinct=True),
            passed=Count("membership", distinct=True, filter=Q(passed=True)),
        ),
    }


def _examples(project: Project, subject: Subject) -> list[Lesson]:
    """Of a category all, also those left out; for everyone those that newcomers see first."""
    if subject.of == CONSENT:
        return []
    if subject.category is None:
        return lessons.gallery(project)
    own = Lesson.objects.filter(project=project, category=subject.category, is_example=True)
    return list(own.select_related("category", "image").order_by("-is_correct", "pk"))


def _shown(lesson: Lesson) -> dict[str, Any]:
    frame = framing.around(lesson.box, width=lesson.image.width, height=lesson.image.height)
    return {
        "key": lesson.key,
        "is_correct": lesson.is_correct,
        "category": lesson.category.name,
        "kind": lesson.get_origin_display(),
        "left_out": lesson.left_out_at is not None,
        "crop": reverse("pages:example", args=[lesson.key]),
        "box": f"{frame.x} {frame.y} {frame.width} {frame.height}",
        "outline": masks.outline(lesson.rle),
    }


def _address(project: Project, of: str) -> str:
    base = reverse("dashboards:instructions", args=[project.slug])
    return f"{base}?of={of}" if of.isdecimal() or of == CONSENT else base
