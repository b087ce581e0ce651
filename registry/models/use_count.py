"""How often something was done, so that it is not done too often."""

from django.db import models


class UseCount(models.Model):
    """One row counts the uses of one thing (a receiver's host, a person's test button) within one minute."""

    subject = models.CharField(max_length=300)
    minute = models.DateTimeField()
    uses = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["subject", "minute"], name="one_count_per_minute")]
        indexes = [models.Index(fields=["minute"])]

    def __str__(self) -> str:
        return f"{self.subject}: {self.uses}"
