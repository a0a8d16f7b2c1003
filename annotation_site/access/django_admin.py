"""How Django's own admin is installed here: see `admin_site.py`."""

from __future__ import annotations

from django.contrib.admin.apps import AdminConfig


class SuperusersAdminConfig(AdminConfig):
    """The admin, without the tables that would take a secret in plain text."""

    default_site = "annotation_site.access.admin_site.SuperusersAdminSite"
    default = False

    def ready(self) -> None:
        super().ready()  # Registers what every app offers.
        from allauth.socialaccount.models import SocialApp, SocialToken
        from django.contrib.admin import site

        for model in (SocialApp, SocialToken):
            if site.is_registered(model):
                site.unregister(model)
