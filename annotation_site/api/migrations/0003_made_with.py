"""Tokens know the token that they were made with: they end with it."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("api", "0002_replies_are_encrypted"),
    ]

    operations = [
        migrations.AddField(
            model_name="apitoken",
            name="made_with",
            field=models.ForeignKey(
                blank=True,
                help_text="The token that made it over the API; none where its person did.",
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="made",
                to="api.apitoken",
            ),
        ),
    ]
