from django.apps import AppConfig


class CatalogConfig(AppConfig):
    name = "annotation_site.catalog"
    default_auto_field = "django.db.models.BigAutoField"
