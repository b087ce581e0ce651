"""`verify_registry`: whether the rows of the inventory and of what is served fit together."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from registry import integrity
from registry.deployments import verifying
from registry.models import Endpoint, RegisteredModel


class Command(BaseCommand):
    help = (
        "Check the rules that span several rows: pointers, revisions, arms and bound aliases of endpoints; labels, "
        "features, sources and version numbers of models. Exits with 1 if something does not fit."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        misfits = [f"{one.endpoint}: {one.text}" for one in verifying.verify()]
        misfits += [f"{one.where}: {one.text}" for one in integrity.verify()]
        for line in misfits:
            self.stdout.write(line)
        if misfits:
            raise CommandError(f"{len(misfits)} things do not fit.")
        endpoints, models = Endpoint.objects.count(), RegisteredModel.objects.live().count()
        self.stdout.write(f"{endpoints} endpoints fit. {models} models fit.")
