"""What the verify page says from JavaScript, in the visitor's language."""

from __future__ import annotations

from django.utils.translation import gettext as _


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
    }
