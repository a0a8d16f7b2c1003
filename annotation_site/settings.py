"""Settings, all from the environment; `.env.example` names each with its default."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from annotation_site import embedded
from annotation_site.environment import Environment
from annotation_site.file_storage import storages_at

BASE_DIR = Path(__file__).resolve().parent.parent
env = Environment()
env.read_env(BASE_DIR / ".env")

VAR = Path(env("MASKGROVE_VAR", default=str(BASE_DIR / "var"))).resolve()
DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = env("SECRET_KEY", default="") or embedded.secret_key(VAR)
ENCRYPTION_KEYS = env.list("ENCRYPTION_KEYS", default=[]) or [SECRET_KEY]
"""Of secrets in the database: the first encrypts, all decrypt."""
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
PUBLIC_URL = env("PUBLIC_URL", default="")
if env.bool("BEHIND_TLS", default=False):  # A proxy speaks TLS and sets X-Forwarded-Proto.
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_SSL_REDIRECT = SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True
    SECURE_HSTS_SECONDS = 31_536_000
    SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = True
SECURE_REDIRECT_EXEMPT = [r"^(healthz|readyz|metrics)$"]  # Those who ask are inside the network, without TLS.

INSTALLED_APPS = [
    "annotation_site.access.django_admin.SuperusersAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.postgres",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "annotation_site.audit",
    "annotation_site.webhooks",
    "annotation_site.catalog",
    "annotation_site.access",
    "annotation_site.people",
    "annotation_site.people.qualification",
    "annotation_site.budget",
    "annotation_site.verification",
    "annotation_site.results",
    "annotation_site.preparing",
    "annotation_site.marketplaces",
    "annotation_site.closing",
    "annotation_site.pages",
    "annotation_site.dashboards",
    "annotation_site.api",
    "annotation_site.local",
]
MIDDLEWARE = [
    "annotation_site.requests.RequestIdMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "annotation_site.audit.acting.ActingMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "annotation_site.security.ContentSecurityPolicyMiddleware",
]
ROOT_URLCONF = "annotation_site.urls"
WSGI_APPLICATION = "annotation_site.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

DATABASE_URL = env("DATABASE_URL", default="")
DATABASES = {"default": env.db_url_config(DATABASE_URL or embedded.postgres(VAR).url)}
if env("DATABASE_PASSWORD", default=""):
    DATABASES["default"]["PASSWORD"] = env("DATABASE_PASSWORD")
DATABASES["default"]["CONN_MAX_AGE"] = env.int("CONN_MAX_AGE", default=60)
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
DATABASES["default"].setdefault("OPTIONS", {})["prepare_threshold"] = 3  # See statements.
DATABASES["default"]["ENGINE"] = f"annotation_site.{'connections' if DATABASE_URL else 'embedded'}"
REDIS_URL = env("REDIS_URL", default="") or embedded.redis(VAR).url
REDIS_EMBEDDED = not env("REDIS_URL", default="")
if not REDIS_EMBEDDED:  # Several processes count a worker's answers together.
    CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}}

STORAGES = {
    "default": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": VAR / "files"},
    },
    **storages_at(
        env("STORAGE_URL", default=""),
        var=VAR,
        access_key=env("S3_ACCESS_KEY", default=""),
        secret_key=env("S3_SECRET_KEY", default=""),
    ),
    "staticfiles": {"BACKEND": "annotation_site.static_files.HashedStaticFiles"},
}
IMPORT_FROM = env.list("IMPORT_FROM", default=[])
UPLOAD_LIMIT = env.int("UPLOAD_LIMIT", default=100_000_000_000)
EXACT_TREES_UP_TO = env.int("EXACT_TREES_UP_TO", default=0)
TREE_CACHE_BYTES = env.int("TREE_CACHE_MB", default=512) << 20
OVERVIEW_SECONDS = env.int("OVERVIEW_SECONDS", default=3)
STATIC_URL = "/static/"
STATIC_ROOT = Path(env("STATIC_ROOT", default=str(VAR / "static")))
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = DEBUG

# Neither inline scripts nor inline styles, nothing from elsewhere, in nobody's frame.
SECURE_CSP = {
    "default-src": ["'none'"],
    "script-src": ["'self'"],
    "style-src": ["'self'"],
    "img-src": ["'self'", "data:"],
    "font-src": ["'self'"],
    "connect-src": ["'self'"],
    "form-action": ["'self'"],
    "base-uri": ["'none'"],
    "frame-ancestors": ["'none'"],
}
SECURE_REFERRER_POLICY = "same-origin"  # Workers' links are secrets.

RATE_LIMITS = {
    "enter": env.int("ENTER_LIMIT", default=10),
    "join": env.int("JOIN_LIMIT", default=120),
    "arrive": env.int("ARRIVE_LIMIT", default=60),
    "test": env.int("TEST_LIMIT", default=120),
    "api": env.int("API_LIMIT", default=600),
    "api-write": env.int("API_WRITE_LIMIT", default=120),
}
"""Times a minute that one address, or one API token, may do each; 0 is no limit."""

# Marketplaces. Keys come from the environment alone; production has to be asked for.
MTURK_PRODUCTION = env.bool("MTURK_PRODUCTION", default=False)
MTURK_ACCESS_KEY_ID = env("MTURK_ACCESS_KEY_ID", default="")
MTURK_SECRET_ACCESS_KEY = env("MTURK_SECRET_ACCESS_KEY", default="")
MTURK_ENDPOINT_URL = env("MTURK_ENDPOINT_URL", default="")
MTURK_SUBMIT_ORIGINS = env.list("MTURK_SUBMIT_ORIGINS", default=[])
MTURK_QUEUE_URL = env("MTURK_QUEUE_URL", default="")
MTURK_QUEUE_ENDPOINT_URL = env("MTURK_QUEUE_ENDPOINT_URL", default="")
PROLIFIC_PRODUCTION = env.bool("PROLIFIC_PRODUCTION", default=False)
PROLIFIC_TOKEN = env("PROLIFIC_TOKEN", default="")
PROLIFIC_WEBHOOK_SECRET = env("PROLIFIC_WEBHOOK_SECRET", default="")
PROLIFIC_URL = env("PROLIFIC_URL", default="https://api.prolific.com/api/v1/")
PROLIFIC_COMPLETE_URL = "https://app.prolific.com/submissions/complete"

WEBHOOK_HTTP = env.bool("WEBHOOK_HTTP", default=False)
WEBHOOK_NETWORKS = env.list("WEBHOOK_NETWORKS", default=[])

LANGUAGE_CODE = "en"
FORMAT_MODULE_PATH = ["annotation_site.formats"]
LANGUAGES = [("en", "English"), ("de", "Deutsch")]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"
LOCALE_PATHS = [BASE_DIR / "locale"]
LOGIN_URL = "/login/"
LOGIN_REDIRECT_URL = "/"

AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
ACCOUNT_ADAPTER = "annotation_site.access.signing_up.InvitedAccounts"
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "email*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"  # Who was invited has shown that the address is theirs.
ACCOUNT_LOGOUT_REDIRECT_URL = LOGIN_URL
ACCOUNT_SESSION_REMEMBER = True
SOCIALACCOUNT_ADAPTER = "annotation_site.access.signing_up.InvitedSocialAccounts"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
OIDC_SERVER_URL = env("OIDC_SERVER_URL", default="")
if OIDC_SERVER_URL:
    SOCIALACCOUNT_PROVIDERS = {
        "openid_connect": {
            "OAUTH_PKCE_ENABLED": True,
            "APPS": [
                {
                    "provider_id": "oidc",
                    "name": env("OIDC_NAME", default="single sign-on"),
                    "client_id": env("OIDC_CLIENT_ID", default=""),
                    "secret": env("OIDC_CLIENT_SECRET", default=""),
                    "settings": {"server_url": OIDC_SERVER_URL},
                }
            ],
        }
    }
    SECURE_CSP["form-action"].append("{0.scheme}://{0.netloc}".format(urlsplit(OIDC_SERVER_URL)))
EMAIL_TIMEOUT = 20  # Seconds: a request waits for the mail that it sends.
EMAIL_CONFIG = env.email("EMAIL_URL", default="consolemail://")
vars().update(EMAIL_CONFIG)
DEFAULT_FROM_EMAIL = env("EMAIL_FROM", default="maskgrove@localhost")
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

ANSWER_RATE = env("ANSWER_RATE", default="240/min")
REST_FRAMEWORK = {
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "EXCEPTION_HANDLER": "annotation_site.api.problems.as_problem",
    "DEFAULT_THROTTLE_RATES": {"answers": None if ANSWER_RATE in ("", "0") else ANSWER_RATE},
}
ANSWER_SLOT_MS = env.int("ANSWER_SLOT_MS", default=15)
SPECTACULAR_SETTINGS = {
    "TITLE": "Maskgrove",
    "VERSION": "0.1.0",
    "OAS_VERSION": "3.1.1",
    "SERVE_INCLUDE_SCHEMA": False,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "POSTPROCESSING_HOOKS": ["annotation_site.api.v1.schema.complete"],
}

# Postgres knows what is to be done: a lost message is sent again, a repeated one changes nothing.
CELERY_BROKER_URL = REDIS_URL.replace("unix://", "redis+socket://", 1)
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_DEFAULT_QUEUE = "cpu"
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
# Longer than stages take: what a dead worker held comes again long before that, from Postgres.
CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 24 * 60 * 60}
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TIMEZONE = "UTC"

METRICS_TOKEN = env("METRICS_TOKEN", default="")

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"request_id": {"()": "annotation_site.requests.RequestIdFilter"}},
    "formatters": {
        "line": {"format": "{asctime} {levelname:<7} {request_id} {name}: {message}", "style": "{"},
        "json": {
            "()": "pythonjsonlogger.json.JsonFormatter",
            "format": "{asctime}{levelname}{request_id}{name}{message}{process}",
            "style": "{",
            "rename_fields": {"asctime": "at", "levelname": "level", "name": "logger"},
        },
    },
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "formatter": env("LOG_FORMAT", default="line"),
            "filters": ["request_id"],
        }
    },
    "root": {"handlers": ["console"], "level": env("LOG_LEVEL", default="WARNING")},
}
