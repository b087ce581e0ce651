"""How many items were rejected, and why: validation never hides drift."""

from django.db import models


class RejectCount(models.Model):
    """One row counts the items of one hour that one rule rejected."""

    model = models.ForeignKey("registry.RegisteredModel", on_delete=models.CASCADE, related_name="+")
    version_label = models.CharField(max_length=64)
    hour = models.DateTimeField()
    feature = models.CharField(max_length=128, default="")
    code = models.CharField(max_length=64)
    n = models.PositiveIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["model", "version_label", "hour", "feature", "code"], name="rejects_are_counted_once"
            )
        ]
        indexes = [models.Index(fields=["hour"])]

    def __str__(self) -> str:
        return f"{self.n} × {self.code}"
