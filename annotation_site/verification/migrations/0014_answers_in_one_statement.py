"""An answer is held, recorded and read back by one statement: hundreds of people answer every second.

Each statement of a function sees what was committed before it began, as statements of their own do (READ
COMMITTED). Which locks are taken, and in which order, `locks.py` says.
"""

from django.db import migrations

HOLD_ITEM = """
CREATE FUNCTION verification_hold_item(
  of_key uuid, of_assignment bigint,
  OUT item bigint, OUT assignment bigint, OUT question bigint, OUT worker bigint, OUT project bigint,
  OUT is_live boolean, OUT lease_ends timestamptz, OUT minutes integer, OUT tree bigint, OUT place integer
) LANGUAGE plpgsql AS $$
BEGIN
  SELECT i.id, a.id, q.id, a.worker_id, a.project_id, a.finished_at IS NULL AND a.released_at IS NULL,
    a.expires_at, p.lease_minutes, q.tree_id, q.position
  INTO item, assignment, question, worker, project, is_live, lease_ends, minutes, tree, place
  FROM verification_item i
  JOIN verification_assignment a ON a.id = i.assignment_id
  JOIN verification_question q ON q.id = i.question_id
  JOIN catalog_project p ON p.id = a.project_id
  WHERE i.key = of_key AND a.id = of_assignment AND p.state <> 'deleting'
  FOR NO KEY UPDATE OF a;
END $$;
"""

RECORD_ANSWER = """
CREATE FUNCTION verification_record_answer(
  of_key uuid, of_assignment bigint, new_says text, new_elapsed integer, new_at timestamptz, even_late boolean,
  OUT item bigint, OUT assignment bigint, OUT question bigint, OUT worker bigint, OUT project bigint,
  OUT is_live boolean, OUT lease_ends timestamptz, OUT minutes integer, OUT tree bigint, OUT place integer,
  OUT is_stopped boolean, OUT stands text, OUT remaining integer,
  OUT cluster bigint, OUT node integer, OUT lo integer, OUT hi integer, OUT mean_score double precision,
  OUT priority double precision, OUT is_open boolean, OUT asked json
) LANGUAGE plpgsql AS $$
DECLARE
  written integer := 0;
BEGIN
  SELECT h.* INTO item, assignment, question, worker, project, is_live, lease_ends, minutes, tree, place
  FROM verification_hold_item(of_key, of_assignment) h;
  IF item IS NULL OR NOT (is_live OR even_late) THEN
    RETURN;
  END IF;
  IF tree IS NOT NULL THEN
    PERFORM pg_advisory_xact_lock_shared((16::bigint << 56) + tree);
  END IF;
  is_stopped := EXISTS (
    SELECT FROM people_membership m
    WHERE m.project_id = project AND m.worker_id = worker AND m.standing = 'stopped'
  );
  IF is_stopped THEN
    RETURN;
  END IF;
  IF tree IS NULL AND NOT is_live THEN  -- Gold may come again to a worker, but not because it was left.
    SELECT j.says INTO stands FROM verification_judgment j
    JOIN verification_assignment a ON a.id = assignment
    WHERE j.question_id = question AND j.worker_id = worker AND j.retracted_at IS NULL
      AND j.at > a.opened_at
    LIMIT 1;
  END IF;
  WHILE written = 0 AND stands IS NULL LOOP
    IF tree IS NOT NULL THEN
      SELECT c.id, c.node, c.lo, c.hi, c.mean_score, c.priority, c.is_open
      INTO cluster, node, lo, hi, mean_score, priority, is_open
      FROM verification_cluster c
      WHERE c.id = (SELECT q.cluster_id FROM verification_question q WHERE q.id = question)
      FOR NO KEY UPDATE;
    END IF;
    INSERT INTO verification_judgment
      (question_id, tree_id, worker_id, item_id, says, of_gold, elapsed_ms, at, retracted_because)
    SELECT q.id, q.tree_id, worker, item, new_says, q.gold_id IS NOT NULL, new_elapsed, new_at, ''
    FROM verification_question q
    WHERE q.id = question AND q.cluster_id IS NOT DISTINCT FROM cluster
    ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS written = ROW_COUNT;
    IF written = 0 THEN
      -- Else a split handed the question to a child while this waited for the cluster: follow it down.
      SELECT j.says INTO stands FROM verification_judgment j
      WHERE j.question_id = question AND j.worker_id = worker AND j.retracted_at IS NULL
      ORDER BY j.item_id = item DESC LIMIT 1;
      IF stands IS NULL AND NOT EXISTS (SELECT FROM verification_question q WHERE q.id = question) THEN
        RAISE EXCEPTION 'Question % was deleted meanwhile.', question;
      END IF;
    END IF;
  END LOOP;
  SELECT count(*) INTO remaining FROM verification_item i
  WHERE i.assignment_id = assignment AND NOT EXISTS (
    SELECT FROM verification_judgment j WHERE j.item_id = i.id AND j.retracted_at IS NULL
  );
  IF written = 1 AND is_open THEN
    SELECT json_agg(
      json_build_array(q.id, q.position, q.cluster_id, q.rank, q.priority, q.wanted, q.turn,
        j.worker_id, j.says, j.id, s.sensitivity, s.specificity)
      ORDER BY q.rank, q.id, j.id
    ) INTO asked
    FROM verification_question q
    LEFT JOIN LATERAL (
      SELECT id, worker_id, says FROM verification_judgment
      WHERE question_id = q.id AND retracted_at IS NULL OFFSET 0
    ) j ON true
    LEFT JOIN verification_skill s ON s.tree_id = q.tree_id AND s.worker_id = j.worker_id
    WHERE q.cluster_id = cluster;
  END IF;
END $$;
"""

DROP = """
DROP FUNCTION verification_record_answer;
DROP FUNCTION verification_hold_item;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("catalog", "0011_moved_at"),
        ("people", "0006_clock_of_records"),
        ("verification", "0013_latest_pages_of_worker"),
    ]

    operations = [migrations.RunSQL(HOLD_ITEM + RECORD_ANSWER, DROP)]
