from django.db import migrations

import annotation_site.encryption


class Migration(migrations.Migration):
    dependencies = [("api", "0001_initial")]

    operations = [
        migrations.RunSQL("DELETE FROM api_keptreply", migrations.RunSQL.noop),  # They are kept for a day.
        migrations.RemoveField("keptreply", "content"),
        migrations.AddField(
            "keptreply",
            "content",
            annotation_site.encryption.EncryptedTextField(
                blank=True, default="", help_text="JSON; some replies tell a secret."
            ),
            preserve_default=False,
        ),
    ]
