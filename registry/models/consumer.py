"""Who uses what an endpoint answers."""

from typing import ClassVar, Self
from uuid import uuid4

from django.db import models

from registry.models.endpoint import Endpoint
from registry.models.viewer import Viewer


class ConsumerQuerySet(models.QuerySet["Consumer"]):
    """Chains over consumers."""

    def visible_to(self, user: Viewer) -> Self:
        """Consumers of endpoints the viewer may see."""
        return self.filter(endpoint__in=Endpoint.objects.visible_to(user))

    def active(self) -> Self:
        """Not retired."""
        return self.filter(retired_at=None)


class Consumer(models.Model):
    """One row is one service, report or group of people that depends on an endpoint."""

    class Kind(models.TextChoices):
        SERVICE = "service", "Service"
        REPORT = "report", "Report"
        HUMAN_PROCESS = "human_process", "People at work"
        EXTERNAL = "external", "External"

    class Use(models.TextChoices):
        AUTOMATED = "automated", "Acts by itself"
        ASSISTED = "assisted", "A person decides with it"
        INFORMATIONAL = "informational", "Only informs"

    class Criticality(models.TextChoices):
        HIGH = "high", "High"
        MEDIUM = "medium", "Medium"
        LOW = "low", "Low"

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    endpoint = models.ForeignKey("registry.Endpoint", on_delete=models.CASCADE, related_name="consumers")
    name = models.CharField(max_length=128)
    kind = models.CharField(max_length=16, choices=Kind)
    output = models.CharField(max_length=64, blank=True, default="")  # which part of the answer it uses
    use = models.CharField(max_length=16, choices=Use)
    criticality = models.CharField(max_length=16, choices=Criticality, default=Criticality.MEDIUM)
    contact = models.CharField(max_length=254, blank=True, default="")
    managed_by = models.CharField(max_length=128, blank=True, default="")
    lock_version = models.PositiveIntegerField(default=1)
    client_key = models.CharField(max_length=255, null=True)  # noqa: DJ001 (several rows without a key)
    client_body_sha = models.CharField(max_length=64, blank=True, default="")
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=128)
    updated_at = models.DateTimeField()
    retired_at = models.DateTimeField(null=True)

    objects: ClassVar[ConsumerQuerySet] = ConsumerQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["endpoint", "name"],
                condition=models.Q(retired_at=None),
                name="consumer_names_are_unique_at_an_endpoint",
            ),
            models.UniqueConstraint(fields=["endpoint", "client_key"], name="one_consumer_per_client_key"),
        ]

    def __str__(self) -> str:
        return self.name
