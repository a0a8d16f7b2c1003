"""No test asserts on seconds, those of Hypothesis included.

Its deadline failed whichever example came first: that one connects to Postgres or compiles a kernel, the same
example is quick when it is tried again, and Hypothesis calls that flaky.
"""

from hypothesis import settings

settings.register_profile("maskgrove", settings.default, deadline=None)
settings.load_profile("maskgrove")
