"""`manage.py inventory`."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from registry.models import AuditEntry, RegisteredModel, Source
from tests.factories import make_source
from tests.registry.manifest.examples import CREDIT, small

SOURCES = "sources:\n  - {slug: ledger, name: Ledger, kind: table}\n"


def inventory(*arguments):
    out = StringIO()
    call_command("inventory", *map(str, arguments), stdout=out)
    return out.getvalue()


@pytest.fixture
def file(tmp_path):
    def write(text, name="credit.yaml"):
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return write


def test_a_dry_run_exits_with_2_and_writes_nothing(team, file, capsys):
    path, out = file(small(SOURCES)), StringIO()

    with pytest.raises(SystemExit) as raised:
        call_command("inventory", "apply", str(path), "--dry-run", stdout=out)

    assert raised.value.code == 2
    assert out.getvalue() == "+ source ledger\n    name: Ledger\n    kind: table\n1 to create.\n"
    assert not Source.objects.exists()


def test_what_was_applied_is_told_and_a_dry_run_is_then_quiet(team, file):
    path = file(small(SOURCES))

    assert inventory("apply", path).endswith("1 created.\n")
    assert inventory("apply", path, "--dry-run") == "Nothing to change: the inventory is as the manifest says.\n"
    assert AuditEntry.objects.filter(verb="source.created").get().via == "manifest"


def test_errors_of_all_files_come_together_and_the_exit_is_1(team, file):
    one, two = file(small("sources: [{slug: a}]\n"), "one.yaml"), file("portal: x\nteam: risk\n", "two.yaml")

    with pytest.raises(CommandError) as raised:
        inventory("apply", one, two)

    assert raised.value.returncode == 1
    assert str(raised.value).splitlines() == [
        "nothing was changed.",
        f"{two}:1: portal: 'x' is not a format known here; write inventory/v1.",
        f"{one}:4: sources[0]: name is missing; a new source needs it.",
        f"{one}:4: sources[0]: kind is missing; a new source needs it.",
    ]


def test_pruning_from_the_command_line(team, file):
    inventory("apply", file(small(SOURCES)))

    assert inventory("apply", file(small("sources: []\n")), "--prune") == "- source ledger\n1 retired.\n"


def test_acting_as_somebody_takes_their_rights(team, victor, alice, file):
    path = file(small(SOURCES))

    with pytest.raises(CommandError, match="To edit the inventory takes"):
        inventory("apply", path, "--as", "victor")
    with pytest.raises(CommandError, match="There is no user zoe"):
        inventory("apply", path, "--as", "zoe")
    inventory("apply", path, "--as", "alice")

    assert Source.objects.get().created_by == "alice"


def test_a_file_that_is_not_there_is_told(team):
    with pytest.raises(CommandError, match="there is no file nowhere"):
        inventory("apply", "nowhere.yaml")


def test_an_export_is_a_file_that_changes_nothing(team, alice, bob, file):
    inventory("apply", file(CREDIT))
    text = inventory("export", "risk")

    assert inventory("apply", file(text, "again.yaml"), "--dry-run").startswith("Nothing to change")
    assert RegisteredModel.objects.count() == 1
    make_source(team, slug="by-hand")
    assert "by-hand" not in inventory("export", "risk", "--name", "credit")
    with pytest.raises(CommandError, match="There is no team nowhere"):
        inventory("export", "nowhere")
