"""Environment of the test suite, set before Django reads its settings (a pytest plugin, named in pyproject.toml)."""

import os
import secrets
import tempfile
from pathlib import Path

os.environ["PORTAL_MODE"] = "test"
os.environ.setdefault("SECRET_KEY", secrets.token_urlsafe(50))
os.environ.setdefault("PORTAL_DATA_DIR", tempfile.mkdtemp(prefix="portal-test-"))
os.environ.setdefault("EMAIL_URL", "memorymail://")
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")  # playwright's sync API runs a loop in this thread
Path(os.environ["PORTAL_DATA_DIR"]).mkdir(parents=True, exist_ok=True)
