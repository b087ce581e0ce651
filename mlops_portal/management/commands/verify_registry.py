"""`verify_registry`: whether what is stored about serving fits together."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from registry.deployments import verifying
from registry.models import Endpoint


class Command(BaseCommand):
    help = (
        "Check pointers, revisions, arms and bound aliases of every endpoint; exits with 1 if something does not fit."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        found = 0
        for misfit in verifying.verify():
            found += 1
            self.stdout.write(f"{misfit.endpoint}: {misfit.text}")
        if found:
            raise CommandError(f"{found} things do not fit.")
        self.stdout.write(f"{Endpoint.objects.count()} endpoints fit.")
