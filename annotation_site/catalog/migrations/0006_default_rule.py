from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("catalog", "0005_weighed_votes"),
    ]

    operations = [
        migrations.AlterField(
            model_name="project",
            name="rule",
            field=models.CharField(default="sequential", max_length=40),
        ),
        migrations.AlterField(
            model_name="project",
            name="strategy",
            field=models.CharField(default="expected_yield", max_length=40),
        ),
    ]
