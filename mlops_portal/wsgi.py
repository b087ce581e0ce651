"""WSGI entry point: granian or gunicorn serve `mlops_portal.wsgi:application`."""

import gc
import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mlops_portal.settings")
application = get_wsgi_application()

# What the start made stays for good; looking through it again and again would cost ingestion a sixth of its speed.
gc.freeze()
gc.set_threshold(50_000, 20, 20)
