from django.apps import AppConfig


class ApiConfig(AppConfig):
    name = "annotation_site.api"
    default_auto_field = "django.db.models.BigAutoField"
