"""Settings from the environment, and secrets from files beside it.

`NAME_FILE` names a file whose content stands for `NAME`, as Docker and Kubernetes hand secrets to a
container; no process inherits them then. A variable that is set itself comes first.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured


class Environment(environ.Env):  # type: ignore[misc]
    """django-environ, where every variable may also be given as a file."""

    def get_value(self, var: str, *arguments: Any, **options: Any) -> Any:
        """See `environ.Env.get_value`.

        Raises
        ------
        ImproperlyConfigured
            When the variable's file cannot be read.
        """
        path = self.ENVIRON.get(f"{var}_FILE", "")
        if not path or self.ENVIRON.get(var):
            return super().get_value(var, *arguments, **options)
        secret = environ.Env()
        secret.ENVIRON = {var: _content(var, path)}
        return secret.get_value(var, *arguments, **options)


def _content(var: str, path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ImproperlyConfigured(
            f"{var}_FILE is {path!r}, which cannot be read ({error}): mount the secret there, or set {var}."
        ) from error
