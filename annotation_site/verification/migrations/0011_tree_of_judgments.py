"""Judgments know their tree, so that a tree's answers are found without looking through its questions.

People answer meanwhile, and processes of the version before write judgments without it for a while: the
database fills it in.
"""

import django.db.models.deletion
from django.db import migrations, models

FILL = """
CREATE FUNCTION verification_judgment_tree() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  SELECT q.tree_id INTO NEW.tree_id FROM verification_question q WHERE q.id = NEW.question_id;
  RETURN NEW;
END $$;
CREATE TRIGGER judgments_know_their_tree BEFORE INSERT ON verification_judgment
FOR EACH ROW WHEN (NEW.tree_id IS NULL AND NOT NEW.of_gold) EXECUTE FUNCTION verification_judgment_tree();
"""
FORGET = """
DROP TRIGGER judgments_know_their_tree ON verification_judgment;
DROP FUNCTION verification_judgment_tree();
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
        migrations.RunSQL(FILL, FORGET),
    ]
