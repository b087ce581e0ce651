"""`verify_audit`: whether the audit trail is what was written."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from registry import audit
from registry.models import AuditEntry


class Command(BaseCommand):
    help = "Check the hash chain of the audit trail; names the first row at which it breaks, and then exits with 1."

    def handle(self, *args: Any, **options: Any) -> None:
        if broken := audit.verify():
            raise CommandError(f"Row {broken.seq}: {broken.reason}.")
        head = AuditEntry.objects.order_by("-seq").first()
        length, fingerprint = (head.seq, head.hash) if head else (0, audit.FIRST_HASH)
        self.stdout.write(f"{length} rows, each follows the one before. Head: {fingerprint}")
