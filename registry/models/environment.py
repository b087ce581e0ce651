"""An environment such as staging or production."""

from django.db import models


class Environment(models.Model):
    """One row is one environment of the installation."""

    slug = models.CharField(max_length=63, primary_key=True)
    name = models.CharField(max_length=64)
    requires_approval = models.BooleanField(default=False)
    # The MLflow stage that stands for it, if clients still move stages: a transition into it is then a promotion.
    legacy_stage = models.CharField(
        max_length=16, blank=True, default="", choices=[("Staging", "Staging"), ("Production", "Production")]
    )
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ["position"]

    def __str__(self) -> str:
        return self.name
