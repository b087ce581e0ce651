"""Endpoints that exist already are at revision 0, with a routing salt of their own."""

import secrets

from django.db import migrations


def place_pointers(apps, schema_editor):
    endpoints = apps.get_model("registry", "Endpoint").objects
    pointer = apps.get_model("registry", "ServingPointer")
    missing = endpoints.filter(pointer=None)
    pointer.objects.bulk_create(
        [pointer(endpoint_id=pk, revision=0, moved_at=at) for pk, at in missing.values_list("pk", "created_at")]
    )
    for pk in endpoints.filter(routing_salt="").values_list("pk", flat=True):
        endpoints.filter(pk=pk).update(routing_salt=secrets.token_hex(8))


class Migration(migrations.Migration):
    dependencies = [("registry", "0007_revisions_never_change")]
    operations = [migrations.RunPython(place_pointers, migrations.RunPython.noop)]
