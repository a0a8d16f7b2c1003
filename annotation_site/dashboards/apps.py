from django.apps import AppConfig


class DashboardsConfig(AppConfig):
    name = "annotation_site.dashboards"
    default_auto_field = "django.db.models.BigAutoField"
