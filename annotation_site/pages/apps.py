from django.apps import AppConfig


class PagesConfig(AppConfig):
    name = "annotation_site.pages"
    default_auto_field = "django.db.models.BigAutoField"
