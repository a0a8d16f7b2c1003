"""What admins fill in."""

from __future__ import annotations

from typing import ClassVar

from django import forms

from annotation_site.catalog.instructing import LONGEST


class TextForm(forms.Form):
    """A text in Markdown; empty takes it away."""

    text = forms.CharField(required=False, max_length=LONGEST, widget=forms.Textarea)


class TestForm(forms.Form):
    """The test of newcomers. The pass mark is in percent."""

    __test__: ClassVar = False  # Not one of pytest's.

    questions = forms.IntegerField(min_value=0, max_value=50)
    pass_percent = forms.IntegerField(min_value=50, max_value=100)
    attempts = forms.IntegerField(min_value=1, max_value=20)
