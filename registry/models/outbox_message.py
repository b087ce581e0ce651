"""A message to the outside, written in the transaction that gave rise to it."""

from uuid import uuid4

from django.db import models


class OutboxMessage(models.Model):
    """One row is one message to one destination; what is stored is what is sent."""

    class State(models.TextChoices):
        PENDING = "pending", "Pending"
        SENDING = "sending", "Sending"
        SENT = "sent", "Sent"
        DEAD = "dead", "Given up"

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    type = models.CharField(max_length=64)
    team = models.ForeignKey("registry.Team", on_delete=models.CASCADE, related_name="+")
    transport = models.CharField(max_length=16)
    destination = models.CharField(max_length=2048)
    body = models.BinaryField()
    dedup_key = models.CharField(max_length=255)
    # Messages of one key go in order, each after the one before it is sent or given up; empty: no order.
    order_key = models.CharField(max_length=128, blank=True, default="")
    state = models.CharField(max_length=16, choices=State, default=State.PENDING)
    attempts = models.PositiveIntegerField(default=0)
    next_at = models.DateTimeField()
    attempt_log = models.JSONField(default=list)
    created_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["dedup_key"], name="outbox_message_is_written_once"),
        ]
        indexes = [
            models.Index(fields=["state", "next_at"]),
            models.Index(
                fields=["order_key", "created_at"], condition=~models.Q(order_key=""), name="messages_in_order"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.type} to {self.destination}"
