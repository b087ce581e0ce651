"""Items that were rejected."""

from django.db import models


class QuarantinedItem(models.Model):
    """One row is one rejected item, each value in the form in which it would be stored. Kept for 14 days."""

    batch = models.ForeignKey("monitoring.IngestBatch", on_delete=models.CASCADE, related_name="quarantined")
    model = models.ForeignKey("registry.RegisteredModel", on_delete=models.CASCADE, related_name="+")
    index = models.PositiveIntegerField()
    code = models.CharField(max_length=64)
    pointer = models.CharField(max_length=512)
    detail = models.CharField(max_length=512, default="")
    item = models.TextField()  # JSON text, without the subject and what must not be stored
    subject_ref = models.CharField(max_length=64, default="")
    kid = models.CharField(max_length=16, default="")  # key of the hashes in it
    rules = models.JSONField(default=dict)  # privacy rules its features have gone through: {feature: hash, …}
    is_whole = models.BooleanField(default=False)  # nothing else was left out, so it can be replayed
    created_at = models.DateTimeField()
    replayed_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["model", "-created_at"])]

    def __str__(self) -> str:
        return f"{self.code} at {self.pointer}"
