from django.apps import AppConfig


class ResultsConfig(AppConfig):
    name = "annotation_site.results"
    label = "results"
