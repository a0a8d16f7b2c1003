"""The page on by what workers are judged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_POST

from annotation_site.catalog.models import Project
from annotation_site.dashboards.access import admins, viewers
from annotation_site.people.models import TrustPolicy
from annotation_site.people.policies import PolicyRefused, policy_fields, policy_of, set_policy

Words = str | Promise
GROUPS: tuple[tuple[Words, Words, Mapping[str, tuple[Words, Words]]], ...] = (
    (
        gettext_lazy("Gold"),
        gettext_lazy("Hidden questions whose answer is known."),
        {
            "least_gold": (gettext_lazy("Answers before"), gettext_lazy("Nobody is judged by fewer.")),
            "watch_below": (
                gettext_lazy("Watch below"),
                gettext_lazy("Share of gold answered right; who is watched gets twice the gold."),
            ),
            "stop_below": (
                gettext_lazy("Stop below"),
                gettext_lazy("Who surely stays below this share is asked nothing more."),
            ),
        },
    ),
    (
        gettext_lazy("Agreement"),
        gettext_lazy("With proven workers, measured by how often these agree among themselves."),
        {
            "least_shared": (gettext_lazy("Answers before"), gettext_lazy("That others gave, too.")),
            "watch_agreeing_below": (gettext_lazy("Watch below"), gettext_lazy("Share of their agreement.")),
            "stop_agreeing_below": (gettext_lazy("Stop below"), gettext_lazy("Share of their agreement.")),
        },
    ),
    (
        gettext_lazy("Speed"),
        gettext_lazy("The middle one of the latest answers."),
        {
            "least_timed": (gettext_lazy("Answers before"), gettext_lazy("Nobody is judged by fewer.")),
            "watch_faster_ms": (gettext_lazy("Watch, if faster"), gettext_lazy("Milliseconds for a mask.")),
            "stop_faster_ms": (gettext_lazy("Stop, if faster"), gettext_lazy("Milliseconds for a mask.")),
            "check_clock": (
                gettext_lazy("Judge by the site’s own clock as well"),
                gettext_lazy("What a page tells could be made up."),
            ),
        },
    ),
    (
        gettext_lazy("Pages that are left"),
        gettext_lazy("Without an answer to one in ten of their questions, until the lease ran out."),
        {
            "most_left": (
                gettext_lazy("In a row, before a wait"),
                gettext_lazy("Others get their questions first in any case. 0: neither this nor a wait."),
            ),
            "left_wait_minutes": (
                gettext_lazy("Minutes to wait"),
                gettext_lazy("Doubled with every further page that is left; a day at most."),
            ),
        },
    ),
    (
        gettext_lazy("Who is stopped by the site"),
        "",
        {
            "retract_stopped": (
                gettext_lazy("Their answers do not count any more"),
                gettext_lazy("Decisions that rested on them are withdrawn, and their clusters open again."),
            ),
        },
    ),
)
"""Title and meaning of each group, and of each of its thresholds."""


class TrustForm(forms.ModelForm):  # type: ignore[type-arg]
    """All thresholds."""

    class Meta:
        model = TrustPolicy
        fields = tuple(field.name for field in policy_fields())

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for *_told, names in GROUPS:
            for name, (label, sentence) in names.items():
                self.fields[name].label, self.fields[name].help_text = str(label), str(sentence)

    def groups(self) -> Iterator[tuple[Words, Words, list[forms.BoundField]]]:
        """Title, meaning and fields of each group."""
        for title, meaning, names in GROUPS:
            yield title, meaning, [self[name] for name in names]


@viewers
@require_GET
def trust(request: HttpRequest, project: Project) -> HttpResponse:
    """By what workers are judged; admins change it."""
    return _page(request, project, TrustForm(instance=policy_of(project.pk)))


@admins
@require_POST
def change(request: HttpRequest, project: Project) -> HttpResponse:
    """Set the thresholds; they hold from each worker's next review on."""
    form = TrustForm(request.POST, instance=policy_of(project.pk))
    if form.is_valid():
        try:
            set_policy(project=project, **form.cleaned_data)
        except PolicyRefused as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, _("Workers are judged by this from their next review on."))
            return redirect("dashboards:trust", slug=project.slug)
    return _page(request, project, form, status=400)


def _page(request: HttpRequest, project: Project, form: TrustForm, status: int = 200) -> HttpResponse:
    context = {"project": project, "section": "workers", "form": form}
    return render(request, "dashboards/workers/trust.html", context, status=status)
