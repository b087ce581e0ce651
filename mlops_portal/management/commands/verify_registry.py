"""`verify_registry`: whether the rows of the inventory and of what is served agree with each other."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from mlops_portal.kit.wording import plural
from registry import integrity


class Command(BaseCommand):
    help = "Check the rules that span several rows; names every row that breaks one, and then exits with 1."

    def handle(self, *args: Any, **options: Any) -> None:
        broken = [f"{one.rule}: {one.where}: {one.detail}" for one in integrity.verify()]
        if broken:
            raise CommandError("\n".join([f"{plural(len(broken), 'row breaks', 'rows break')} a rule.", *broken]))
        self.stdout.write("Every rule over several rows holds.")
