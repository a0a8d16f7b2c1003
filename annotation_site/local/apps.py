"""The app of the commands `serve` and `demo`."""

from django.apps import AppConfig


class LocalConfig(AppConfig):
    """The whole product on one machine."""

    name = "annotation_site.local"
