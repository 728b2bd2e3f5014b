"""A members' club: what `startproject` gives, and the lines for oneseat at the end.

The environment says where its data are, so that tests can run several at once."""

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

DATA = Path(os.environ.get("SITE_DATA", Path(__file__).resolve().parent.parent / "data"))
BASE_DIR = DATA
DATA.mkdir(exist_ok=True)

SECRET_KEY = "only for this example"
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
DEBUG = False
USE_TZ = True
TIME_ZONE = "UTC"

database = os.environ.get("SITE_DATABASE", "sqlite")
if database == "sqlite":
    DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": DATA / "site.sqlite3", "OPTIONS": {"timeout": 30}}}
else:
    url = urlsplit(database)
    DATABASES = {
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": url.path[1:],
            "USER": unquote(url.username or ""),
            "PASSWORD": unquote(url.password or ""),
            "HOST": url.hostname or "",
            "PORT": url.port or "",
            "CONN_MAX_AGE": 60,
        }
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

SESSION_ENGINE = "django.contrib.sessions.backends." + os.environ.get("SITE_SESSIONS", "db")
SESSION_FILE_PATH = DATA / "sessions"
SESSION_FILE_PATH.mkdir(exist_ok=True)
CACHES = {"default": {"BACKEND": "django.core.cache.backends.filebased.FileBasedCache", "LOCATION": DATA / "cache", "OPTIONS": {"MAX_ENTRIES": 100000}}}

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "rest_framework",
    "club",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
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
ROOT_URLCONF = "club.urls"
WSGI_APPLICATION = "club.wsgi.application"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/accounts/login/"
if os.environ.get("SITE_QUICK_PASSWORDS"):  # for tests that sign in by the thousand
    PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

# One account, one session. Without URL and KEY the server is the one of `manage.py
# oneseat`, on the database of the site.
SITE_SEATS = os.environ.get("SITE_SEATS", "oneseat")
if SITE_SEATS == "oneseat":
    INSTALLED_APPS += ["oneseat_django"]
    MIDDLEWARE += ["oneseat_django.middleware.OneSessionPerUserMiddleware"]
    ONESEAT = {"BINARY": os.environ["ONESEAT_BINARY"]} if "ONESEAT_BINARY" in os.environ else {}
    if "SITE_TIMEOUT" in os.environ:  # for tests on a busy machine
        ONESEAT["TIMEOUT"] = float(os.environ["SITE_TIMEOUT"])
elif SITE_SEATS == "tutorial":  # what it replaces
    INSTALLED_APPS += ["tutorial"]
    MIDDLEWARE += ["tutorial.middleware.OneSessionPerUserMiddleware"]
