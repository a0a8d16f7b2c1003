from django.apps import AppConfig


class VerificationConfig(AppConfig):
    name = "annotation_site.verification"
    default_auto_field = "django.db.models.BigAutoField"
