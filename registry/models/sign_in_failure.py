"""Failed sign-ins, so that guessing gets slower and slower."""

from django.db import models


class SignInFailure(models.Model):
    """One row counts the recent failures of one account, one peer, or one account from one peer."""

    subject_sha256 = models.CharField(max_length=64, primary_key=True)
    failures = models.PositiveIntegerField(default=0)
    failed_at = models.DateTimeField()
    free_at = models.DateTimeField()  # the next attempt is looked at from here on

    class Meta:
        indexes = [models.Index(fields=["failed_at"])]

    def __str__(self) -> str:
        return f"{self.failures} failures"
