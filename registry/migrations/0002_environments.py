"""The three environments every installation starts with; only production requires approval."""

from django.db import migrations

SEED = [("development", "Development", False), ("staging", "Staging", False), ("production", "Production", True)]


def seed(apps, schema_editor):
    environment = apps.get_model("registry", "Environment")
    environment.objects.bulk_create(
        [environment(slug=slug, name=name, requires_approval=needs, position=i) for i, (slug, name, needs) in enumerate(SEED)]
    )


class Migration(migrations.Migration):
    dependencies = [("registry", "0001_initial")]
    operations = [migrations.RunPython(seed, migrations.RunPython.noop)]
