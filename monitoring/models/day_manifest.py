"""What a day of a version consists of."""

from django.db import models


class DayManifest(models.Model):
    """One row counts how often the chunks of one version and day changed; runs pin the generation they read."""

    version = models.ForeignKey("registry.ModelVersion", on_delete=models.CASCADE, related_name="+")
    day = models.DateField()
    generation = models.PositiveIntegerField(default=0)
    label_generation = models.PositiveIntegerField(default=0)
    rows = models.PositiveBigIntegerField(default=0)
    labels = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["version", "day"], name="one_manifest_per_day")]

    def __str__(self) -> str:
        return f"{self.day} generation {self.generation}"
