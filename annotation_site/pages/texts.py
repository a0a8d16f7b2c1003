"""What workers' pages say from JavaScript and by kind of lesson, in the visitor's language."""

from __future__ import annotations

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from annotation_site.people.models import GoldItem
from annotation_site.verification import tokens

Origin = GoldItem.Origin

CONSENT = (
    gettext_noop(
        "You look at outlines in photos and say whether they fit. We store each answer, when you gave it, how"
        " long it took, and your name if you gave one. Some answers are checked."
    ),
    gettext_noop(
        "The project’s team sees this, and makes a data set of the answers of many people that may be"
        " published. Nothing in it says who answered."
    ),
    gettext_noop("You may stop whenever you like. What you answered until then is kept."),
)
"""What workers agree to where a project has no text of its own, in paragraphs."""


def consent_told(*, translated: bool = True) -> str:
    """The text that comes with the site, in the visitor's language; its English is its version."""
    return "\n\n".join(_(paragraph) if translated else paragraph for paragraph in CONSENT)


def verify_texts() -> dict[str, str]:
    """Texts by name; {words} in braces are filled in by the page."""
    return {
        "photo": _("Photo with the outline of a supposed {category}"),
        "place": _("{place} of {total}: {category}"),
        "yes": _("Yes"),
        "no": _("No"),
        "unsure": _("Can’t tell"),
        "undo": _("Undone"),
        "done": _("All of this page is judged."),
        "hasty": _("That was quick! Please look along the whole outline before you answer."),
        "refused": _("One answer could not be saved. Load the page again to see where you are."),
        "unsent": _("Some answers are not sent yet. They are kept here until the network is back."),
        "saved": _("Saved"),
        "saving": _("Saving…"),
        "waiting": _("Offline · {count} kept"),
        **refusal_texts(),
    }


def refusal_texts() -> dict[str, str]:
    """What is told of answers to earlier pages, kept in the browser, that were refused for good."""
    return {
        "refused_late": _(
            "Answers of yours that came too late to be saved, more than {days} days after their page was"
            " opened: {count}."
        ),
        "refused_stopped": _(
            "Answers of yours that could not be saved, as your work on their project has ended: {count}."
        ),
        "refused_gone": _(
            "Answers of yours that could not be saved, as their page of work is not there any more: {count}."
        ),
        "refused_else": _(
            "Answers of yours that could not be saved, as the site did not take them: {count}."
        ),
        "refused_undo": _(
            "Answers of yours that were taken back too late, and stand as you gave them: {count}."
        ),
        "days": str(tokens.LIFETIME.days),
    }


def why(origin: str, category: str) -> str:
    """One line on a lesson: why its outline is right or wrong for the category it is shown as."""
    reasons = {
        Origin.ANNOTATION: _("All of the %(category)s that can be seen, and nothing else."),
        Origin.CUT: _("A part of the %(category)s is missing."),
        Origin.GROWN: _("Too much around the %(category)s is inside."),
        Origin.SHIFTED: _("The outline lies beside the %(category)s."),
        Origin.MERGED: _("Two are taken for one: each %(category)s needs an outline of its own."),
        Origin.WRONG_CATEGORY: _("The outline is neat, but this is no %(category)s."),
    }
    return reasons[Origin(origin)] % {"category": category}  # Lessons are made in these ways alone.
