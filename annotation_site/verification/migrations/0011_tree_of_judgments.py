"""Judgments know their tree, so that a tree's answers are found without looking through its questions."""

import django.db.models.deletion
from django.db import migrations, models

TELL = """
UPDATE verification_judgment j SET tree_id = q.tree_id
FROM verification_question q WHERE q.id = j.question_id AND q.tree_id IS NOT NULL
"""


class Migration(migrations.Migration):
    dependencies = [
        ("catalog", "0009_archive"),
        ("verification", "0010_judgments_by_item"),
    ]

    operations = [
        migrations.AddField(
            model_name="judgment",
            name="tree",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                help_text="The question's; none for gold.",
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="judgments",
                to="catalog.tree",
            ),
        ),
        migrations.RunSQL(TELL, migrations.RunSQL.noop),
        migrations.RunSQL("SET CONSTRAINTS ALL IMMEDIATE", migrations.RunSQL.noop),
        migrations.AddIndex(
            model_name="judgment",
            index=models.Index(
                condition=models.Q(("tree__isnull", False)), fields=["tree"], name="answers_of_tree"
            ),
        ),
    ]
