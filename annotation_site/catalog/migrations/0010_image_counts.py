"""How many images a project has of each role, counted by the database with every change of its images."""

import django.db.models.deletion
from django.db import migrations, models

COUNT = """
CREATE FUNCTION catalog_count_images() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO catalog_imagecount AS kept (project_id, role, images)
    SELECT project_id, role, count(*) FROM changed GROUP BY project_id, role ORDER BY project_id, role
    ON CONFLICT (project_id, role) DO UPDATE SET images = kept.images + excluded.images;
  ELSIF TG_OP = 'DELETE' THEN
    UPDATE catalog_imagecount kept SET images = kept.images - gone.images
    FROM (SELECT project_id, role, count(*) AS images FROM changed GROUP BY project_id, role) gone
    WHERE kept.project_id = gone.project_id AND kept.role = gone.role;
  ELSE
    UPDATE catalog_imagecount SET images = images - 1 WHERE project_id = OLD.project_id AND role = OLD.role;
    INSERT INTO catalog_imagecount AS kept (project_id, role, images) VALUES (NEW.project_id, NEW.role, 1)
    ON CONFLICT (project_id, role) DO UPDATE SET images = kept.images + 1;
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER images_that_come_are_counted AFTER INSERT ON catalog_image
REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION catalog_count_images();
CREATE TRIGGER images_that_go_are_counted AFTER DELETE ON catalog_image
REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION catalog_count_images();
CREATE TRIGGER images_that_change_roles_are_counted AFTER UPDATE ON catalog_image
FOR EACH ROW WHEN (OLD.role <> NEW.role OR OLD.project_id <> NEW.project_id)
EXECUTE FUNCTION catalog_count_images();
"""
"""While the triggers are made nobody writes images, so that none is missed by what counts those there are."""
THERE = """
INSERT INTO catalog_imagecount (project_id, role, images)
SELECT project_id, role, count(*) FROM catalog_image GROUP BY project_id, role;
"""
FORGET = """
DROP TRIGGER images_that_come_are_counted ON catalog_image;
DROP TRIGGER images_that_go_are_counted ON catalog_image;
DROP TRIGGER images_that_change_roles_are_counted ON catalog_image;
DROP FUNCTION catalog_count_images();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("catalog", "0009_archive"),
    ]

    operations = [
        migrations.CreateModel(
            name="ImageCount",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "role",
                    models.CharField(
                        choices=[
                            ("initial", "initial (annotated, trains the model)"),
                            ("heldout", "held out (annotated, calibrates)"),
                            ("pool", "pool (unlabeled, its annotations are only ever used to evaluate)"),
                        ],
                        max_length=8,
                    ),
                ),
                ("images", models.PositiveBigIntegerField()),
                (
                    "project",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="image_counts",
                        to="catalog.project",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("project", "role"), name="one_count_per_role")
                ],
            },
        ),
        migrations.RunSQL(COUNT, FORGET),
        migrations.RunSQL(THERE, migrations.RunSQL.noop),
    ]
