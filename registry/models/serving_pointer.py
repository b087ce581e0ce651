"""Which revision an endpoint serves now."""

from django.db import models


class ServingPointer(models.Model):
    """One row per endpoint; a table of its own, so that saving an endpoint cannot overwrite it. 0: never activated."""

    endpoint = models.OneToOneField(
        "registry.Endpoint", on_delete=models.PROTECT, primary_key=True, related_name="pointer"
    )
    revision = models.PositiveIntegerField(default=0)
    deployment = models.ForeignKey("registry.Deployment", on_delete=models.PROTECT, null=True, related_name="+")
    moved_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(revision=0, deployment=None) | models.Q(revision__gte=1, deployment__isnull=False),
                name="pointer_names_its_deployment",
            )
        ]

    def __str__(self) -> str:
        return f"{self.endpoint_id} at rev {self.revision}"
