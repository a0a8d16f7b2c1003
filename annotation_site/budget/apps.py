from django.apps import AppConfig


class BudgetConfig(AppConfig):
    name = "annotation_site.budget"
    default_auto_field = "django.db.models.BigAutoField"
