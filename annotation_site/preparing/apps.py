from django.apps import AppConfig


class PreparingConfig(AppConfig):
    name = "annotation_site.preparing"
    default_auto_field = "django.db.models.BigAutoField"
