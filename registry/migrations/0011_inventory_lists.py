"""Indexes of the lists: models by their last change, and the models that a source feeds."""

from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("registry", "0010_task_may_come_later")]
    operations = [
        migrations.AddIndex(
            model_name="registeredmodel",
            index=models.Index(fields=["updated_at", "id"], condition=Q(deleted_at=None), name="live_models_by_update"),
        ),
        migrations.AddIndex(
            model_name="feature",
            index=models.Index(
                fields=["source", "model"], condition=Q(version=None), name="current_features_by_source"
            ),
        ),
    ]
