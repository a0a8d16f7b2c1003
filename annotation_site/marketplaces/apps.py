from django.apps import AppConfig


class MarketplacesConfig(AppConfig):
    name = "annotation_site.marketplaces"
    default_auto_field = "django.db.models.BigAutoField"
