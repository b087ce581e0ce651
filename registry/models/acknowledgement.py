"""What an instance of the serving layer says it applies."""

from uuid import uuid4

from django.db import models


class Acknowledgement(models.Model):
    """One row per endpoint and serving instance: the revision it applies, and when it last said so."""

    class Mode(models.TextChoices):
        NORMAL = "normal", "Normal"
        FALLBACK = "fallback", "Fallback"

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    endpoint = models.ForeignKey("registry.Endpoint", on_delete=models.CASCADE, related_name="acknowledgements")
    instance = models.CharField(max_length=128)
    revision = models.PositiveIntegerField()
    mode = models.CharField(max_length=16, choices=Mode, default=Mode.NORMAL)
    last_seen_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["endpoint", "instance"], name="one_row_per_instance")]

    def __str__(self) -> str:
        return self.instance
