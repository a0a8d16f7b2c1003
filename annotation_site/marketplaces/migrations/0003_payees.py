from django.db import migrations

BACKFILL = """
ALTER TABLE budget_ledgerentry DISABLE TRIGGER ledger_is_append_only;
WITH parts AS (
  SELECT id, kind, split_part(reference, ':', 1) AS what, split_part(reference, ':', 2) AS number
  FROM budget_ledgerentry WHERE payee IS NULL AND kind IN ('settle', 'bonus')
), numbered AS (
  SELECT id, what, number::bigint AS number FROM parts WHERE number ~ '^[0-9]{1,18}$'
), found AS (
  SELECT n.id, a.worker_id FROM numbered n
  JOIN verification_assignment a ON n.what = 'assignment' AND a.id = n.number
  UNION ALL
  SELECT n.id, a.worker_id FROM numbered n
  JOIN verification_item i ON n.what = 'item' AND i.id = n.number
  JOIN verification_assignment a ON a.id = i.assignment_id
  UNION ALL
  SELECT n.id, s.worker_id FROM numbered n
  JOIN marketplaces_submission s ON n.what IN ('submission', 'bonus') AND s.id = n.number
)
UPDATE budget_ledgerentry l SET payee = found.worker_id FROM found WHERE l.id = found.id;
ALTER TABLE budget_ledgerentry ENABLE TRIGGER ledger_is_append_only;
"""
APPEND_ONLY = """
CREATE FUNCTION marketplaces_payments_are_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'payments are append-only: payment % stays as it is', OLD.id;
END $$;
CREATE TRIGGER payments_are_append_only BEFORE UPDATE ON marketplaces_payment
FOR EACH ROW EXECUTE FUNCTION marketplaces_payments_are_append_only();
"""
CHANGEABLE = """
DROP TRIGGER payments_are_append_only ON marketplaces_payment;
DROP FUNCTION marketplaces_payments_are_append_only;
"""


class Migration(migrations.Migration):
    """Whose pay earlier entries of the ledger are; payments stay as they were noted."""

    dependencies = [
        ('marketplaces', '0002_payments_and_messages'),
        ('budget', '0004_payees'),
        ('verification', '0008_weighed_votes'),
    ]

    operations = [
        migrations.RunSQL(BACKFILL, migrations.RunSQL.noop),
        migrations.RunSQL(APPEND_ONLY, CHANGEABLE),
    ]
