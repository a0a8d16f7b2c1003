"""Trees as they are stored: fetched as bytes, which takes a third of the time that their text takes."""

from __future__ import annotations

from typing import Any

import numpy as np
import psycopg
from django.db import connection
from numpy.typing import NDArray

from annotation_site.catalog.models import Tree
from pipeline.dendrogram import Dendrogram, stored_scores


def tree_of(tree_id: int) -> Dendrogram:
    """The dendrogram of a tree.

    Raises
    ------
    Tree.DoesNotExist
    """
    return Dendrogram.from_bytes(_read("SELECT packed FROM catalog_tree WHERE id = %s", tree_id, [tree_id]))


def scores_of(tree_id: int, *, n: int) -> NDArray[np.float32]:
    """(n,) scores of a tree's masks in leaf order, without the rest of the tree.

    Raises
    ------
    Tree.DoesNotExist
    """
    part = stored_scores(n)
    sql = "SELECT substring(packed FROM %s::int FOR %s::int) FROM catalog_tree WHERE id = %s"
    found = _read(sql, tree_id, [part.start + 1, part.stop - part.start, tree_id])
    return np.diff(np.frombuffer(found, "<f8")).astype(np.float32)


def _read(sql: str, tree_id: int, parameters: list[Any]) -> bytes:
    connection.ensure_connection()
    own: psycopg.Connection[Any] = connection.connection
    with connection.wrap_database_errors, psycopg.Cursor(own) as cursor:
        row = cursor.execute(sql, parameters, binary=True).fetchone()
    if row is None:
        raise Tree.DoesNotExist(f"There is no tree {tree_id}.")
    return bytes(row[0])
