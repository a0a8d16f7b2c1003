"""Which locks the verbs of this app take, and in which order, so that none ever waits for the other for good.

0. the row of the Membership, by who changes a standing and by who claims a HIT,
1. the row of the Assignment; then, only by who answers late, the worker (advisory) and the row of the
   Assignment that they hold now,
2. Trees (advisory locks of the transaction, ascending): shared by whoever records answers or gives leases
   back, exclusive for whoever withdraws decisions or opens a tree,
3. the row of one Cluster, and with an answer that splits it those below it,
4. rows of Questions, in one statement that takes them in ascending order (in any number of statements under
   exclusive tree locks),
5. the row of the Budget; who holds trees alone may go back to their clusters and questions with it,
6. the rows of WorkRecords, ascending, in one statement: who counts work anew waits for nothing more.

A claim ends the Assignment that the worker holds, if its lease has run out, in a transaction of its own. Then
it holds the membership, the worker and, where they hold no Assignment, the Budget; from there on it waits for
nothing: it skips questions that are locked. Row locks are always FOR NO KEY UPDATE, with which the checks of
foreign keys do not collide.

Under a shared tree lock questions move down the tree only (a split hands them to the children), so that
following a question to its cluster ends. Only under an exclusive one do they move up.
"""

from __future__ import annotations

from collections.abc import Iterable

from annotation_site import statements

TREE_KEYS = 16 << 56
"""Advisory keys of trees start here; those of `catalog.claims` lie below."""
WORKER_KEYS = 17 << 56


def hold_trees(tree_ids: Iterable[int], *, alone: bool = False) -> None:
    """Hold trees until the transaction ends: with others who do not withdraw anything, or alone."""
    function = "pg_advisory_xact_lock" if alone else "pg_advisory_xact_lock_shared"
    for tree_id in sorted(set(tree_ids)):
        statements.run(f"SELECT {function}(%s)", [TREE_KEYS + tree_id])


def hold_worker(worker_id: int) -> None:
    """Hold a worker until the transaction ends: they open one HIT at a time."""
    statements.run("SELECT pg_advisory_xact_lock(%s)", [WORKER_KEYS + worker_id])
