"""One way a request can go at a revision."""

from uuid import uuid4

from django.db import models
from django.db.models import Q

WHOLE_BPS = 10_000


class DeploymentArm(models.Model):
    """One row is one version that takes part in a revision, and its share; never changed, never deleted."""

    class Role(models.TextChoices):
        PRIMARY = "primary", "Primary"
        CANARY = "canary", "Canary"
        VARIANT = "variant", "Variant"
        SHADOW = "shadow", "Shadow"
        FALLBACK = "fallback", "Fallback"

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    deployment = models.ForeignKey("registry.Deployment", on_delete=models.PROTECT, related_name="arms")
    version = models.ForeignKey("registry.ModelVersion", on_delete=models.PROTECT, related_name="arms")
    label = models.CharField(max_length=64)
    role = models.CharField(max_length=16, choices=Role)
    weight_bps = models.PositiveIntegerField(default=0)  # basis points of the traffic
    mirror_bps = models.PositiveIntegerField(default=0)  # basis points of the traffic a shadow is shown
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["deployment", "label"], name="one_label_per_arm"),
            models.CheckConstraint(
                condition=Q(weight_bps__lte=WHOLE_BPS) & Q(mirror_bps__lte=WHOLE_BPS), name="arm_weight_is_a_share"
            ),
            models.CheckConstraint(condition=Q(mirror_bps=0) | Q(role="shadow"), name="only_shadows_mirror"),
            models.CheckConstraint(
                condition=Q(weight_bps=0) | ~Q(role__in=("shadow", "fallback")),
                name="shadow_and_fallback_take_no_traffic",
            ),
        ]
        ordering = ["position"]

    def __str__(self) -> str:
        return self.label
