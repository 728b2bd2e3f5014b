"""What `manage.py check` says of the settings."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core import checks
from django.db import connections

from . import beside, client, conf

OURS = "oneseat_django.middleware.OneSessionPerUserMiddleware"
SESSIONS = "django.contrib.sessions.middleware.SessionMiddleware"
AUTH = "django.contrib.auth.middleware.AuthenticationMiddleware"
MESSAGES = "django.contrib.messages.middleware.MessageMiddleware"
TAG = "oneseat"


def register_all() -> None:
    checks.register(check_settings, TAG)
    checks.register(check_middleware, TAG)
    checks.register(check_server, TAG, deploy=True)


def check_settings(app_configs: Any = None, **_: Any) -> list[checks.CheckMessage]:
    found: list[checks.CheckMessage] = [checks.Error(p.text, hint=p.hint, id=f"oneseat.{p.id}") for p in conf.problems()]
    if found:
        return found
    raw = getattr(settings, "ONESEAT", {})
    if conf.is_beside():
        found += _beside(raw)
    to = urlsplit(raw.get("URL", ""))
    if to.scheme == "http" and to.hostname not in ("localhost", "127.0.0.1", "::1"):
        found.append(checks.Warning(
            "The key of oneseat goes over plain http to another machine.",
            hint='Somebody who reads the key there can sign in as any account. Write https:// into ONESEAT["URL"].', id="oneseat.W001",
        ))  # fmt: skip
    storage = getattr(settings, "MESSAGE_STORAGE", "")
    if getattr(settings, "CSRF_USE_SESSIONS", False) or storage.endswith(".SessionStorage"):
        found.append(checks.Warning(
            "CSRF_USE_SESSIONS, or messages in SessionStorage, give a new session to a browser whose session has ended.",
            hint="So a late answer to an old tab can replace the cookie of a sign-in in another tab. Keep messages and CSRF in cookies.", id="oneseat.W004",
        ))  # fmt: skip
    return found


def _beside(raw: dict[str, Any]) -> list[checks.CheckMessage]:
    found: list[checks.CheckMessage] = []
    if not beside.binary():
        found.append(checks.Error(
            'The program "oneseat" was not found.',
            hint='Build it with `go build ./cmd/oneseat`, and put it on PATH, or name it in ONESEAT["BINARY"].', id="oneseat.E006",
        ))  # fmt: skip
    if raw.get("NODES", 1) > 1 and connections["default"].vendor == "sqlite":
        found.append(checks.Error(
            "Several machines on SQLite: each would have a server of its own, and an account could have a session on each.",
            hint='Put the project on PostgreSQL, or name one server for all in ONESEAT["URL"].', id="oneseat.E007",
        ))  # fmt: skip
    return found


def check_middleware(app_configs: Any = None, **_: Any) -> list[checks.CheckMessage]:
    names = list(settings.MIDDLEWARE)
    if OURS not in names:
        return [checks.Error(
            "The middleware of oneseat is missing: nobody is signed out.",
            hint=f"Add {OURS!r} to MIDDLEWARE, after {AUTH!r} and {MESSAGES!r}.", id="oneseat.E001",
        )]  # fmt: skip
    found: list[checks.CheckMessage] = []
    at = names.index(OURS)
    for before in (SESSIONS, AUTH, MESSAGES):
        if before in names and names.index(before) > at:
            found.append(checks.Error(f"{OURS!r} stands before {before!r} in MIDDLEWARE.", hint="Put it after that.", id="oneseat.E002"))
    if MESSAGES not in names:
        found.append(checks.Warning(
            "Nobody is told why they were signed out.",
            hint=f"Add {MESSAGES!r} to MIDDLEWARE, before {OURS!r}, and show messages on the sign-in page.", id="oneseat.W002",
        ))  # fmt: skip
    return found


def check_server(app_configs: Any = None, **_: Any) -> list[checks.CheckMessage]:
    """Asks the server: with `manage.py check --deploy`."""
    if conf.problems():
        return []
    try:
        about = conf.current().client.call("about", {}, 1.5).body
    except client.KeyRefused as why:
        return [checks.Error(f"The server refuses the key: {why}", hint="Take a key of this server.", id="oneseat.E008")]
    except client.Away as why:
        return [checks.Error(f"The server does not answer: {why}", hint='See that it runs, and that ONESEAT["URL"] is right.', id="oneseat.E009")]
    found: list[checks.CheckMessage] = []
    if "sessions" not in about.get("scopes", ()):
        found.append(checks.Error("The key may not sign anybody in.", hint='Make one with the scope "sessions".', id="oneseat.E010"))
    idle = about.get("idle")
    if about.get("when_full") != "displace" and (idle is None or idle > settings.SESSION_COOKIE_AGE):
        found.append(checks.Warning(
            "A session of the server outlives the cookie of its browser.",
            hint="The browser is signed out, and its seat stays taken. Raise SESSION_COOKIE_AGE, or lower the server's idle time.", id="oneseat.W003",
        ))  # fmt: skip
    return found
