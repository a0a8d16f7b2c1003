"""The trees of the judgments that are there, some at a time, and an index by tree."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models import Max, OuterRef, Q, Subquery

AT_ONCE = 10_000


def tell_trees(apps, editor):
    judgments = apps.get_model("verification", "Judgment").objects
    questions = apps.get_model("verification", "Question").objects
    last = judgments.aggregate(last=Max("pk"))["last"] or 0
    tree = Subquery(questions.filter(pk=OuterRef("question")).values("tree"))
    for first in range(0, last + 1, AT_ONCE):
        some = judgments.filter(pk__gte=first, pk__lt=first + AT_ONCE, tree=None, of_gold=False)
        some.update(tree=tree)


class Migration(migrations.Migration):
    atomic = False  # People answer meanwhile.

    dependencies = [("verification", "0011_tree_of_judgments")]

    operations = [
        migrations.RunPython(tell_trees, migrations.RunPython.noop),
        AddIndexConcurrently(
            model_name="judgment",
            index=models.Index(condition=Q(tree__isnull=False), fields=["tree"], name="answers_of_tree"),
        ),
    ]
