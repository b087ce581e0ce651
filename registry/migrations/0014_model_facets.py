"""Counting the filters of the model list reads an index alone, not the wide rows of the models."""

from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("registry", "0013_indexes_of_searches")]
    operations = [
        migrations.AddIndex(
            model_name="registeredmodel",
            index=models.Index(
                fields=["team", "owner", "lifecycle", "risk", "task", "readiness_share"],
                condition=Q(deleted_at=None),
                name="live_models_by_facet",
            ),
        ),
    ]
