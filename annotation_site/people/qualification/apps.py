from django.apps import AppConfig


class QualificationConfig(AppConfig):
    name = "annotation_site.people.qualification"
    label = "qualification"
    default_auto_field = "django.db.models.BigAutoField"
