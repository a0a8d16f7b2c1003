"""What happens to workers on their way to the first HIT, for those who tell a marketplace of it."""

from __future__ import annotations

from django.dispatch import Signal

passed = Signal()
"""A worker passed the test, and that is stored. Sent with `membership`, `attempt` and `at`, once per attempt.

The sender is the class Attempt. Receivers run in the request that answered the last question: hand over what
takes long. An exception of theirs is logged and changes nothing for the worker.
"""
