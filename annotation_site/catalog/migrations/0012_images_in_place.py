"""Of a project's images, how many were left where they were: counted with the others."""

from importlib import import_module

from django.db import migrations, models

before = import_module("annotation_site.catalog.migrations.0010_image_counts")

COUNT = """
CREATE FUNCTION catalog_count_images() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO catalog_imagecount AS kept (project_id, role, images, in_place)
    SELECT project_id, role, count(*), count(*) FILTER (WHERE path LIKE '/%')
    FROM changed GROUP BY project_id, role ORDER BY project_id, role
    ON CONFLICT (project_id, role) DO UPDATE
    SET images = kept.images + excluded.images, in_place = kept.in_place + excluded.in_place;
  ELSIF TG_OP = 'DELETE' THEN
    UPDATE catalog_imagecount kept
    SET images = kept.images - gone.images, in_place = kept.in_place - gone.in_place
    FROM (
      SELECT project_id, role, count(*) AS images, count(*) FILTER (WHERE path LIKE '/%') AS in_place
      FROM changed GROUP BY project_id, role
    ) gone
    WHERE kept.project_id = gone.project_id AND kept.role = gone.role;
  ELSE
    UPDATE catalog_imagecount SET images = images - 1, in_place = in_place - (OLD.path LIKE '/%')::int
    WHERE project_id = OLD.project_id AND role = OLD.role;
    INSERT INTO catalog_imagecount AS kept (project_id, role, images, in_place)
    VALUES (NEW.project_id, NEW.role, 1, (NEW.path LIKE '/%')::int)
    ON CONFLICT (project_id, role) DO UPDATE
    SET images = kept.images + 1, in_place = kept.in_place + excluded.in_place;
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER images_that_come_are_counted AFTER INSERT ON catalog_image
REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION catalog_count_images();
CREATE TRIGGER images_that_go_are_counted AFTER DELETE ON catalog_image
REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION catalog_count_images();
CREATE TRIGGER images_that_change_roles_are_counted AFTER UPDATE ON catalog_image
FOR EACH ROW WHEN (
  OLD.role <> NEW.role OR OLD.project_id <> NEW.project_id
  OR (OLD.path LIKE '/%') <> (NEW.path LIKE '/%')
)
EXECUTE FUNCTION catalog_count_images();
"""
"""From the moment that the former triggers go nobody writes images until these are there, and have counted."""
THERE = """
UPDATE catalog_imagecount kept SET in_place = found.images
FROM (
  SELECT project_id, role, count(*) AS images FROM catalog_image WHERE path LIKE '/%'
  GROUP BY project_id, role
) found
WHERE kept.project_id = found.project_id AND kept.role = found.role;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("catalog", "0011_moved_at"),
    ]

    operations = [
        # In the order in which imports take them: images, then their numbers.
        migrations.RunSQL("LOCK TABLE catalog_image IN ACCESS EXCLUSIVE MODE", migrations.RunSQL.noop),
        migrations.AddField(
            model_name="imagecount",
            name="in_place",
            field=models.PositiveBigIntegerField(db_default=0, help_text="Of them, left where they were."),
        ),
        migrations.RunSQL(before.FORGET + COUNT, before.FORGET + before.COUNT),
        migrations.RunSQL(THERE, migrations.RunSQL.noop),
    ]
