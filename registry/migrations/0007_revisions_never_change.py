"""The database itself refuses to change or remove a revision or one of its arms."""

from django.db import migrations

SENTENCE = "a revision never changes"
TABLES = {"deployment": "registry_deployment", "deployment_arm": "registry_deploymentarm"}
SQLITE = """
CREATE TRIGGER {name}_is_never_{word} BEFORE {verb} ON {table}
BEGIN SELECT RAISE(ABORT, '{sentence}'); END
"""
POSTGRESQL_FUNCTION = """
CREATE FUNCTION registry_refuse_revision_change() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION '{sentence}' USING ERRCODE = 'integrity_constraint_violation'; END $$
"""
POSTGRESQL = """
CREATE TRIGGER {name}_is_never_{word} BEFORE {verb} ON {table}
FOR EACH ROW EXECUTE FUNCTION registry_refuse_revision_change()
"""
STEPS = (("UPDATE", "updated"), ("DELETE", "deleted"))


def protect(apps, schema_editor):
    on_sqlite = schema_editor.connection.vendor == "sqlite"
    if not on_sqlite:
        schema_editor.execute(POSTGRESQL_FUNCTION.format(sentence=SENTENCE))
    statement = SQLITE if on_sqlite else POSTGRESQL
    for name, table in TABLES.items():
        for verb, word in STEPS:
            schema_editor.execute(statement.format(name=name, table=table, verb=verb, word=word, sentence=SENTENCE))


def unprotect(apps, schema_editor):
    on_sqlite = schema_editor.connection.vendor == "sqlite"
    for name, table in TABLES.items():
        for _, word in STEPS:
            where = "" if on_sqlite else f" ON {table}"
            schema_editor.execute(f"DROP TRIGGER {name}_is_never_{word}{where}")
    if not on_sqlite:
        schema_editor.execute("DROP FUNCTION registry_refuse_revision_change")


class Migration(migrations.Migration):
    dependencies = [("registry", "0006_stages_of_environments")]
    operations = [migrations.RunPython(protect, unprotect)]
