"""PostgreSQL keeps inbox payloads as they are: they are compressed already, and trying again doubles its work."""

from django.db import migrations


def store_plain(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("ALTER TABLE monitoring_inboxrow ALTER COLUMN payload SET STORAGE EXTERNAL")


class Migration(migrations.Migration):
    dependencies = [("monitoring", "0001_initial")]
    operations = [migrations.RunPython(store_plain, migrations.RunPython.noop)]
