"""All settings, in sections. Values that differ between installations come from the environment (docs/settings.md)."""

import os
import sys
from pathlib import Path
from urllib.parse import urlsplit

from mlops_portal.kit.addresses import Opening, parse_openings
from mlops_portal.kit.env import Reader

BASE_DIR = Path(__file__).resolve().parent.parent
env = Reader(BASE_DIR / ".env")

# --- Mode
# development: pages show errors in full; production (the default): strict; test: fault points may be armed.
MODE = env.text("PORTAL_MODE", "production", choices=("development", "test", "production"))
DEBUG = MODE == "development"
TESTING = MODE == "test"
PORTAL_FAULTS = env.text("PORTAL_FAULTS", "")
if PORTAL_FAULTS and not TESTING:
    env.problem("PORTAL_FAULTS may be set in test mode only")

# --- Where it is reached
PUBLIC_URL = env.text("PUBLIC_URL", "http://127.0.0.1:8000").rstrip("/")
_public = urlsplit(PUBLIC_URL)
if _public.scheme not in {"http", "https"} or not _public.hostname:
    env.problem(f"PUBLIC_URL={PUBLIC_URL!r} is not an http or https address")
_HTTPS = _public.scheme == "https"
_LOOPBACK = ["127.0.0.1", "localhost", "[::1]"]
ALLOWED_HOSTS = sorted({_public.hostname or "", *_LOOPBACK, *env.names("ALLOWED_HOSTS")} - {""})
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if env.flag("TRUST_PROXY") else None
TRUSTED_PROXIES = env.number("TRUSTED_PROXIES", 0, low=0, high=8)  # hops in front that set X-Forwarded-For

# --- Secrets
SECRET_KEY = env.text("SECRET_KEY")
if SECRET_KEY and (len(SECRET_KEY) < 50 or "example" in SECRET_KEY.lower() or "insecure" in SECRET_KEY.lower()):
    env.problem(
        "SECRET_KEY needs at least 50 random characters; make one with: "
        "python -c 'import secrets; print(secrets.token_urlsafe(50))'"
    )

# --- Topology: these three decide where everything lives
DATA_DIR = Path(env.text("PORTAL_DATA_DIR", str(BASE_DIR / "data")))
DATABASES = {"default": env.database("DATABASE_URL", f"sqlite:///{DATA_DIR / 'portal.sqlite3'}")}
REDIS_URL = env.text("REDIS_URL", "")  # empty: the embedded worker alone
STORAGE_URL = env.text("STORAGE_URL", f"file://{DATA_DIR / 'chunks'}")
KEY_RING = env.text(
    "KEY_RING", ""
)  # JSON {kid: base64 of 32 bytes}; empty: DATA_DIR/keys.json, made at the first start
KEY_RING_FILE = DATA_DIR / "keys.json"

_database = DATABASES["default"]
if str(_database.get("ENGINE", "")).endswith("sqlite3"):
    _database["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",  # readers that turn writers would fail with "database is locked"
        "timeout": 20,  # seconds a writer waits for another
        "init_command": (
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON; "
            "PRAGMA secure_delete=FAST; PRAGMA journal_size_limit=67108864"
        ),
    }
    # One file even under test: processes of the fault harness and xdist workers each name their own.
    _database["TEST"] = {"NAME": env.text("TEST_DATABASE", "") or None}
elif _database:
    _database["OPTIONS"] = {
        "connect_timeout": 3,  # seconds
        "server_side_binding": True,
        "options": (
            "-c statement_timeout=5s -c lock_timeout=2s -c idle_in_transaction_session_timeout=30s "
            "-c synchronous_commit=on"
        ),
    }
    if not TESTING:
        _database["OPTIONS"]["pool"] = {"min_size": 1, "max_size": 8, "timeout": 5}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Applications
INSTALLED_APPS = [
    "mlops_portal",
    "mlops_portal.jobs",
    "registry",
    "monitoring",
    "review",
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django_htmx",
    "template_partials.apps.SimpleAppConfig",  # the loaders below stay as they are
    "rest_framework",
    "django_filters",
    "drf_spectacular",
]
MIDDLEWARE = [
    "mlops_portal.middleware.RequestLog",  # outermost: gives every request its id and its one log line
    "django.middleware.security.SecurityMiddleware",
    "mlops_portal.middleware.TrafficWay",  # predictions, outcomes and polls skip all that follows
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "mlops_portal.middleware.ApiBoundary",  # /api answers problem+json, whatever happens below
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "mlops_portal.middleware.Refusals",  # innermost: a DomainError of a page becomes components/_refusal.html
]
ROOT_URLCONF = "mlops_portal.urls"
WSGI_APPLICATION = "mlops_portal.wsgi.application"
APPEND_SLASH = True
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "OPTIONS": {
            "loaders": [
                (
                    "template_partials.loader.Loader",
                    [
                        (
                            "django.template.loaders.cached.Loader",
                            [
                                "django.template.loaders.filesystem.Loader",
                                "django.template.loaders.app_directories.Loader",
                            ],
                        )
                    ],
                )
            ],
            "builtins": [
                "django.templatetags.static",
                "template_partials.templatetags.partials",
                "mlops_portal.templatetags.portal",
            ],
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "mlops_portal.shell.shell",
            ],
            "string_if_invalid": "",
        },
    }
]

# --- Code that lower packages run, by dotted path (style.md 3): code, not environment
JOB_TABLES = ["registry.tasks.JOBS", "monitoring.tasks.JOBS", "mlops_portal.readiness.JOBS"]
SWEEPS = [
    "monitoring.traffic.compaction.sweep",
    "monitoring.planner.plan",
    "monitoring.windows.ripen",
    "monitoring.traffic.chunks.sweep",
    "monitoring.purging.sweep",
    "monitoring.arrivals.sweep",
    "monitoring.alerts.sweep",
    "registry.outbox.sweep",
    "registry.rates.sweep",
    "registry.sessions.sweep",
    "registry.anchors.sweep",
    "mlops_portal.readiness.sweep",
]
CHUNK_STEPS: list[str] = []
# Jobs that turn a refused activation into a proposal; only kinds with a handler may stand here.
INTENT_JOBS: list[str] = []
OUTBOX_TRANSPORTS = {"email": "monitoring.notify.email.send", "webhook": "registry.webhooks.send"}
OUTBOX_DESTINATIONS = [
    "registry.webhooks.destinations",
    "monitoring.notify.routes.destinations",
    "monitoring.notify.channels.destinations",
]

# --- Users, sessions, cookies
AUTH_USER_MODEL = "registry.User"
LOGIN_URL = "sign-in"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "sign-in"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
]
SESSION_ENGINE = "registry.sessions"  # renews what is used, up to seven days
SESSION_COOKIE_AGE = 8 * 3600  # seconds without use
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _HTTPS
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_NAME = "__Host-session" if _HTTPS else "session"
CSRF_USE_SESSIONS = True
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

# --- Headers
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "form-action": ["'self'"],
        "base-uri": ["'none'"],
        "object-src": ["'none'"],
        "frame-ancestors": ["'none'"],
    }
}
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if _HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = _HTTPS
SECURE_SSL_REDIRECT = False  # the proxy in front redirects; a loop behind it would lock everybody out
SILENCED_SYSTEM_CHECKS = [
    "security.W008",  # see above
    "security.W021",  # preloading binds every subdomain for years; that is not the portal's to decide
]
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024  # bytes of a control body; ingest and uploads have their own caps
DATA_UPLOAD_MAX_NUMBER_FIELDS = 1000
FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.TemporaryFileUploadHandler"]

# --- Static files
STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles" if MODE == "production" else None  # elsewhere the finders serve
STORAGES = {
    "default": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": DATA_DIR / "files"},
    },
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if MODE != "production"
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = MODE != "production"
WHITENOISE_AUTOREFRESH = DEBUG

# --- API
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "registry.api.authentication.KeyAuthentication",
        "registry.api.authentication.PageSession",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["mlops_portal.kit.api.StrictJSON"],
    "DEFAULT_PARSER_CLASSES": ["mlops_portal.kit.api.StrictParser"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "mlops_portal.kit.api.AlwaysFirst",
    "DEFAULT_PAGINATION_CLASS": "mlops_portal.kit.api.Cursor",
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "mlops_portal.refusing.problem_handler",
    "URL_FORMAT_OVERRIDE": None,
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "MLOps Portal",
    "VERSION": "1",
    "DESCRIPTION": "Inventory, traffic, measurements and alerts of models in production.",
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "COMPONENT_SPLIT_REQUEST": True,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "monitoring.api.described.add_traffic",
        "registry.api.described.add_serving",
    ],
    "ENUM_NAME_OVERRIDES": {
        "FeatureKind": "registry.models.Feature.Kind",
        "EndpointKind": "registry.models.Endpoint.Kind",
        "MemberRole": "registry.models.Role",
        "ArmRole": "registry.models.DeploymentArm.Role",
        "SourceKind": "registry.models.Source.Kind",
        "ConsumerKind": "registry.models.Consumer.Kind",
        "Criticality": "registry.models.Consumer.Criticality",
        "ChangeKind": "registry.models.ChangeEvent.Kind",
        "ChangeSeverity": "registry.models.ChangeEvent.Severity",
        "WebhookStatus": "registry.models.Webhook.Status",
        "WebhookSwitch": ["active", "disabled"],
        "WebhookFormat": "registry.models.Webhook.Format",
        "MessageState": "registry.models.OutboxMessage.State",
        "TrafficKind": "monitoring.models.ingest_batch.Kind",
    },
}

# --- Work
CELERY_BROKER_URL = REDIS_URL or "memory://"
# One heap for Arrow and numpy: what one of them has dropped the other takes. Arrow reads it when it is imported.
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")

# --- Mail
vars().update(env.email("EMAIL_URL", "consolemail://"))
DEFAULT_FROM_EMAIL = env.text("EMAIL_FROM", "portal@localhost")
SERVER_EMAIL = DEFAULT_FROM_EMAIL

# --- Our own (docs/settings.md)
PORTAL_CURRENCY = env.text("PORTAL_CURRENCY", "USD")  # ISO 4217; every amount is in it
if not (len(PORTAL_CURRENCY) == 3 and PORTAL_CURRENCY.isascii() and PORTAL_CURRENCY.isupper()):
    env.problem(f"PORTAL_CURRENCY={PORTAL_CURRENCY!r} is not a three-letter code such as EUR")
# Calls to the outside (webhooks): https to public addresses, unless the operator opens more (docs/webhooks.md).
PORTAL_OUTBOUND_HTTP = env.flag("PORTAL_OUTBOUND_HTTP")
PORTAL_OUTBOUND_PORTS = env.ports("PORTAL_OUTBOUND_PORTS", "443,8443")
PORTAL_OUTBOUND_ALLOW: tuple[Opening, ...] = ()  # internal networks with one port each: 10.1.0.0/16:9000
try:
    PORTAL_OUTBOUND_ALLOW = parse_openings(env.text("PORTAL_OUTBOUND_ALLOW", ""))
except ValueError as error:
    env.problem(f"PORTAL_OUTBOUND_ALLOW: {error}")
PORTAL_WORKERS = env.number("PORTAL_WORKERS", 2, low=1, high=64)  # embedded worker processes
# Schemes of URIs that a version's artefact may lie at; the portal opens none of them.
PORTAL_SOURCE_SCHEMES = [name.lower() for name in env.names("PORTAL_SOURCE_SCHEMES")] or [
    *("s3", "gs", "abfss", "wasbs", "hdfs", "dbfs", "http", "https", "models", "runs", "mlflow-artifacts"),
    *("ftp", "sftp", "file"),
]

# --- Time and language
USE_TZ = True
TIME_ZONE = "UTC"
USE_I18N = False
LANGUAGE_CODE = "en"

# --- Logs: one JSON object a line on standard error
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "mlops_portal.kit.logs.JsonLines"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json", "stream": sys.stderr}},
    "root": {"handlers": ["stderr"], "level": env.text("LOG_LEVEL", "WARNING" if TESTING else "INFO")},
    "loggers": {"django": {"level": "WARNING"}, "django.request": {"level": "ERROR"}},
}

env.finish()
