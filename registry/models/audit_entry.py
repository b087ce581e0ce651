"""The audit trail."""

from django.db import models


class AuditEntry(models.Model):
    """One row is one fact that somebody or something brought about; rows form a hash chain and never change."""

    class ActorKind(models.TextChoices):
        USER = "user", "Person"
        KEY = "key", "API key"
        SYSTEM = "system", "The portal"

    class Via(models.TextChoices):
        UI = "ui", "Page"
        API = "api", "API"
        MLFLOW = "mlflow", "MLflow API"
        MANIFEST = "manifest", "Manifest"
        JOB = "job", "Job or command"

    seq = models.BigIntegerField(primary_key=True)
    at = models.DateTimeField()
    actor = models.CharField(max_length=128)
    actor_kind = models.CharField(max_length=16, choices=ActorKind)
    via = models.CharField(max_length=16, choices=Via, blank=True, default="")  # empty: older than the column
    verb = models.CharField(max_length=64)
    object_type = models.CharField(max_length=64)
    object_id = models.CharField(max_length=64)
    label = models.CharField(max_length=256)
    team = models.ForeignKey("registry.Team", on_delete=models.PROTECT, null=True, related_name="+")
    # The model it is about, also of its versions and endpoints; no foreign key, and null in rows older than the column.
    model_id = models.UUIDField(null=True, editable=False)
    changes = models.JSONField(default=dict)
    reason = models.TextField(default="")
    request_id = models.CharField(max_length=64, default="")
    prev_hash = models.CharField(max_length=64)
    hash = models.CharField(max_length=64)

    class Meta:
        indexes = [
            models.Index(fields=["object_type", "object_id", "-seq"]),
            models.Index(fields=["model_id", "-seq"], name="audit_by_model"),
            models.Index(fields=["team", "-seq"], name="audit_by_team"),
            models.Index(fields=["verb", "-seq"], name="audit_by_verb"),
            models.Index(fields=["actor", "-seq"], name="audit_by_actor"),
            models.Index(fields=["at"], name="audit_by_time"),
        ]
        ordering = ["-seq"]

    def __str__(self) -> str:
        return f"{self.seq} {self.verb}"
