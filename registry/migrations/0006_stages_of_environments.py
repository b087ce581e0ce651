"""Clients of MLflow that still move stages mean these environments."""

from django.db import migrations

STAGES = {"staging": "Staging", "production": "Production"}


def name_stages(apps, schema_editor):
    environments = apps.get_model("registry", "Environment").objects
    for slug, stage in STAGES.items():
        environments.filter(slug=slug, legacy_stage="").update(legacy_stage=stage)


class Migration(migrations.Migration):
    dependencies = [("registry", "0005_serving_and_sources")]
    operations = [migrations.RunPython(name_stages, migrations.RunPython.noop)]
