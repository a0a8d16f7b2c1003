from django.apps import AppConfig


class PeopleConfig(AppConfig):
    name = "annotation_site.people"
    default_auto_field = "django.db.models.BigAutoField"
