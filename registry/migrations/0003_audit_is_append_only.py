"""The database itself refuses to change or remove an entry of the audit trail."""

from django.db import migrations

SENTENCE = "an audit entry never changes"
SQLITE = """
CREATE TRIGGER audit_entry_is_never_{word} BEFORE {verb} ON registry_auditentry
BEGIN SELECT RAISE(ABORT, '{sentence}'); END
"""
POSTGRESQL_FUNCTION = """
CREATE FUNCTION registry_refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION '{sentence}' USING ERRCODE = 'integrity_constraint_violation'; END $$
"""
POSTGRESQL = """
CREATE TRIGGER audit_entry_is_never_{word} BEFORE {verb} ON registry_auditentry
FOR EACH ROW EXECUTE FUNCTION registry_refuse_audit_change()
"""
STEPS = (("UPDATE", "updated"), ("DELETE", "deleted"))


def protect(apps, schema_editor):
    on_sqlite = schema_editor.connection.vendor == "sqlite"
    if not on_sqlite:
        schema_editor.execute(POSTGRESQL_FUNCTION.format(sentence=SENTENCE))
    for verb, word in STEPS:
        statement = SQLITE if on_sqlite else POSTGRESQL
        schema_editor.execute(statement.format(verb=verb, word=word, sentence=SENTENCE))


def unprotect(apps, schema_editor):
    on_sqlite = schema_editor.connection.vendor == "sqlite"
    for _, word in STEPS:
        where = "" if on_sqlite else " ON registry_auditentry"
        schema_editor.execute(f"DROP TRIGGER audit_entry_is_never_{word}{where}")
    if not on_sqlite:
        schema_editor.execute("DROP FUNCTION registry_refuse_audit_change")


class Migration(migrations.Migration):
    dependencies = [("registry", "0002_environments")]
    operations = [migrations.RunPython(protect, unprotect)]
