"""Where a model is served."""

from uuid import uuid4

from django.db import models

from registry.models.team import SLUG


class Endpoint(models.Model):
    """One row is one address, job or queue at which a model answers."""

    class Kind(models.TextChoices):
        ONLINE = "online", "Online"
        BATCH = "batch", "Batch"
        STREAM = "stream", "Stream"

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    slug = models.CharField(max_length=63, unique=True, validators=[SLUG])
    model = models.ForeignKey("registry.RegisteredModel", on_delete=models.CASCADE, related_name="endpoints")
    environment = models.ForeignKey(
        "registry.Environment", on_delete=models.PROTECT, related_name="endpoints"
    )
    kind = models.CharField(max_length=16, choices=Kind, default=Kind.ONLINE)
    location = models.CharField(max_length=2048, blank=True, default="")
    slo_p95_ms = models.PositiveIntegerField(null=True)
    slo_p99_ms = models.PositiveIntegerField(null=True)
    timeout_ms = models.PositiveIntegerField(null=True)
    lock_version = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=128)
    updated_at = models.DateTimeField()
    retired_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.slug
