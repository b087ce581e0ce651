"""The trail of one model as one indexed question, and the triggers that rebuilding the table on SQLite had dropped."""

from django.db import migrations, models

SQLITE = """
CREATE TRIGGER audit_entry_is_never_{word} BEFORE {verb} ON registry_auditentry
BEGIN SELECT RAISE(ABORT, 'an audit entry never changes'); END
"""


def protect(apps, schema_editor):
    if schema_editor.connection.vendor != "sqlite":
        return  # there a column is added in place, and triggers stay
    for verb, word in (("UPDATE", "updated"), ("DELETE", "deleted")):
        schema_editor.execute(f"DROP TRIGGER IF EXISTS audit_entry_is_never_{word}")
        schema_editor.execute(SQLITE.format(verb=verb, word=word))


class Migration(migrations.Migration):
    dependencies = [("registry", "0011_inventory_lists")]
    operations = [
        migrations.AddField(
            model_name="auditentry", name="model_id", field=models.UUIDField(editable=False, null=True)
        ),
        migrations.AddIndex(
            model_name="auditentry", index=models.Index(fields=["model_id", "-seq"], name="audit_by_model")
        ),
        migrations.AddIndex(model_name="auditentry", index=models.Index(fields=["team", "-seq"], name="audit_by_team")),
        migrations.AddIndex(model_name="auditentry", index=models.Index(fields=["verb", "-seq"], name="audit_by_verb")),
        migrations.AddIndex(
            model_name="auditentry", index=models.Index(fields=["actor", "-seq"], name="audit_by_actor")
        ),
        migrations.AddIndex(model_name="auditentry", index=models.Index(fields=["at"], name="audit_by_time")),
        migrations.RunPython(protect, migrations.RunPython.noop),
    ]
