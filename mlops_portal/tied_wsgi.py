"""The WSGI application for the web processes of `manage.py portal`: each ends when the server above it dies."""

import os

from mlops_portal.jobs import lifeline
from mlops_portal.wsgi import application

__all__ = ["application"]

lifeline.tie(os.getppid())
