from django.apps import AppConfig


class WebhooksConfig(AppConfig):
    name = "annotation_site.webhooks"
    default_auto_field = "django.db.models.BigAutoField"
