"""A day of predictions joined with an outcome signal."""

from django.db import models


class LabelProfile(models.Model):
    """One row is `stats.profile.LabelProfile` of one version, day and signal, cached per pair of generations."""

    version = models.ForeignKey("registry.ModelVersion", on_delete=models.CASCADE, related_name="+")
    day = models.DateField()
    signal = models.CharField(max_length=32)
    generation = models.PositiveIntegerField()
    label_generation = models.PositiveIntegerField()
    rows = models.PositiveBigIntegerField()
    labelled = models.PositiveBigIntegerField()
    delay_p95_s = models.FloatField(null=True)
    blob = models.BinaryField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["version", "day", "signal", "generation", "label_generation"],
                name="one_label_profile_per_generation",
            )
        ]

    def __str__(self) -> str:
        return f"{self.labelled} of {self.rows} labelled on {self.day}"
