from django.apps import AppConfig


class ClosingConfig(AppConfig):
    name = "annotation_site.closing"
    default_auto_field = "django.db.models.BigAutoField"
