from django.db import migrations


class Migration(migrations.Migration):
    """Dropping the plain index of Judgment.item took the partial unique one along: it is on the same column."""

    dependencies = [
        ('verification', '0003_fewer_indexes'),
    ]

    operations = [
        migrations.RunSQL(
            'CREATE UNIQUE INDEX IF NOT EXISTS one_judgment_per_item'
            ' ON verification_judgment (item_id) WHERE retracted_at IS NULL',
            migrations.RunSQL.noop,
        ),
    ]
