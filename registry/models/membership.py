"""Who belongs to which team, in which role, with which duties."""

from django.db import models


class Role(models.TextChoices):
    """What a member may do; each role includes the former one."""

    VIEWER = "viewer", "Viewer"
    CONTRIBUTOR = "contributor", "Contributor"
    MAINTAINER = "maintainer", "Maintainer"


class Membership(models.Model):
    """One row is one person in one team."""

    team = models.ForeignKey("registry.Team", on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey("registry.User", on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=16, choices=Role)
    is_reviewer = models.BooleanField(default=False)
    is_approver = models.BooleanField(default=False)
    duties_granted_at = models.DateTimeField(null=True)
    duties_granted_by = models.CharField(max_length=128, default="")
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["team", "user"], name="membership_is_single"),
            models.CheckConstraint(
                condition=models.Q(duties_granted_at=None, duties_granted_by="")
                | (models.Q(duties_granted_at__isnull=False) & ~models.Q(duties_granted_by="")),
                name="duties_are_granted_at_a_time_by_somebody",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user} in {self.team}"
