from django.apps import AppConfig


class AccessConfig(AppConfig):
    name = "annotation_site.access"
    default_auto_field = "django.db.models.BigAutoField"
