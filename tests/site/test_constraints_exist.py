"""The database holds what the models promise: migrations can lose an index without the models noticing."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.db import connection

OWN = [model for model in apps.get_models() if model.__module__.startswith("annotation_site.")]


@pytest.mark.django_db
@pytest.mark.parametrize("model", OWN, ids=lambda model: model._meta.label)
def test_every_constraint_and_index_of_a_model_is_there(model):
    with connection.cursor() as cursor:
        there = set(connection.introspection.get_constraints(cursor, model._meta.db_table))
    promised = {named.name for named in (*model._meta.constraints, *model._meta.indexes)}
    assert promised <= there
