"""The settings: what stands in ONESEAT, and what is wrong with it."""

from __future__ import annotations

import functools
import ipaddress
import os
import re
from typing import Any, Callable, NamedTuple, Optional, Union

from django.conf import settings
from django.core import mail
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.utils.module_loading import import_string

from . import beside
from .client import Client, address
from .memory import POLICIES, Memory


class Problem(NamedTuple):
    """Something that is wrong with the settings, and its cure."""

    id: str
    text: str
    hint: str


class Conf(NamedTuple):
    """What ONESEAT says, with defaults filled in. Times are in seconds."""

    client: Union[Client, Memory]
    account: Optional[Callable[[Any], str]] = None  # None: the primary key, as text
    limits: Optional[Callable[[Any], Optional[dict[str, Any]]]] = None
    skip: Optional[Callable[[Any, Any], bool]] = None
    when_down: str = "refuse"
    timeout: float = 1.5
    stream_check: float = 1.0
    passive: frozenset[str] = frozenset()
    trusted_proxies: tuple[Any, ...] = ()
    device_id_cookie: str = ""  # "": browsers have no ID of their own


DOUBLE = "memory:"

# Each function that follows is for a kind of value. It returns what is wrong, and the
# cure, or "".


def _url(value: Any) -> str:
    if not isinstance(value, str):
        return "it is no text"
    if is_double(value):
        return "" if value[len(DOUBLE) :] in POLICIES else "write memory:, memory:refuse or memory:ask"
    try:
        address(value)
    except ValueError as why:
        return str(why)
    return ""


def _key(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"oneseat_key_[!-~]{10,200}", value):
        return "a key begins with oneseat_key_, and is printed by `oneseat keys create`, or by `oneseat serve --dev`"
    return ""


def _function(value: Any) -> str:
    try:
        return "" if callable(_callable(value)) else "it is no function, nor the dotted path of one"
    except ImportError as why:
        return str(why)


def _callable(value: Any) -> Any:
    return import_string(value) if isinstance(value, str) else value


def _when_down(value: Any) -> str:
    return "" if value in ("refuse", "allow") else 'write "refuse" or "allow"'


def _seconds(value: Any) -> str:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return "" if number and 0.1 <= value <= 60 else "it is a number of seconds, 0.1 to 60"


def _names(value: Any) -> str:
    if isinstance(value, (list, tuple, set, frozenset)) and all(isinstance(v, str) for v in value):
        return ""
    return "it is a list of names of URLs"


def _networks(value: Any) -> str:
    if not isinstance(value, (list, tuple)):
        return "it is a list of addresses and networks"
    try:
        [ipaddress.ip_network(v) for v in value]
    except ValueError as why:
        return str(why)
    return ""


def _path(value: Any) -> str:
    return "" if isinstance(value, (str, os.PathLike)) else "it is the path of the program"


def _cookie(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", value):
        return "it is the name of a cookie"
    taken = (settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME, settings.LANGUAGE_COOKIE_NAME, "messages", "oneseat_told")
    return "another cookie has that name" if value in taken else ""


def _count(value: Any) -> str:
    return "" if isinstance(value, int) and value >= 1 else "it is a number, 1 or more"


_KEYS: dict[str, Callable[[Any], str]] = {
    "URL": _url,
    "KEY": _key,
    "ACCOUNT": _function,
    "LIMITS": _function,
    "SKIP": _function,
    "WHEN_DOWN": _when_down,
    "TIMEOUT": _seconds,
    "STREAM_CHECK": _seconds,
    "PASSIVE": _names,
    "TRUSTED_PROXIES": _networks,
    "DEVICE_ID_COOKIE": _cookie,
    "BINARY": _path,
    "NODES": _count,
}


def _raw() -> Any:
    return getattr(settings, "ONESEAT", {})


def is_double(url: Any) -> bool:
    """Whether a URL is that of the double for tests."""
    return isinstance(url, str) and url.startswith(DOUBLE)


def _is_test() -> bool:
    """Whether a test runner is at work: Django's sets this up, and so does that of pytest."""
    return hasattr(mail, "outbox")


def is_beside() -> bool:
    """Whether the server is the one of `manage.py oneseat`."""
    raw = _raw()
    return not raw.get("URL") and not raw.get("KEY")


def problems() -> list[Problem]:
    """Everything that is wrong with ONESEAT itself."""
    raw = _raw()
    if not isinstance(raw, dict):
        return [Problem("E003", "ONESEAT is no dict.", 'Write ONESEAT = {"URL": …, "KEY": …}, or leave it out.')]
    found = []
    if is_double(raw.get("URL")):
        if not settings.DEBUG and not _is_test():
            hint = "It keeps sessions in one process, and forgets them. Leave URL out, and run the site behind `manage.py oneseat run`."
            found.append(Problem("E004", 'ONESEAT["URL"] is memory:, which is for tests only.', hint))
    elif bool(raw.get("URL")) != bool(raw.get("KEY")):
        missing = "KEY" if raw.get("URL") else "URL"
        hint = "`oneseat serve --dev` prints a URL and a key. Without either the server is the one of `manage.py oneseat`."
        found.append(Problem("E003", f'ONESEAT["{missing}"] is missing.', hint))
    for name, value in raw.items():
        if name not in _KEYS:
            found.append(Problem("E005", f"ONESEAT has the key {name!r}, which is not known.", f"The keys are {', '.join(_KEYS)}."))
        elif value or name not in ("URL", "KEY"):
            problem = _KEYS[name](value)
            if problem:
                # The value is not said: it may be the key of the API.
                found.append(Problem("E003", f'ONESEAT["{name}"] makes no sense.', f"{problem[:1].upper()}{problem[1:]}."))
    return found


@functools.lru_cache(maxsize=1)
def current() -> Conf:
    """The settings. Raises ImproperlyConfigured with the first thing that is wrong."""
    for p in problems():
        raise ImproperlyConfigured(f"{p.text} {p.hint}")
    raw = _raw()
    given: dict[str, Any] = {}
    for name in ("ACCOUNT", "LIMITS", "SKIP"):
        if name in raw:
            given[name.lower()] = _callable(raw[name])
    for name in ("WHEN_DOWN", "TIMEOUT", "STREAM_CHECK", "DEVICE_ID_COOKIE"):
        if name in raw:
            given[name.lower()] = raw[name]
    given["passive"] = frozenset(raw.get("PASSIVE", ()))
    given["trusted_proxies"] = tuple(ipaddress.ip_network(v) for v in raw.get("TRUSTED_PROXIES", ()))
    if is_beside():
        try:
            return Conf(_client(beside.url(), beside.key()), **given)
        except beside.NotPossible as why:
            raise ImproperlyConfigured(str(why)) from None
    return Conf(_client(raw["URL"], raw.get("KEY", "")), **given)


@functools.lru_cache(maxsize=8)
def _client(url: str, key: str) -> Union[Client, Memory]:
    return Memory(url[len(DOUBLE) :]) if is_double(url) else Client(url, key)


def _forget(*, setting: str, **_: Any) -> None:
    if setting in ("ONESEAT", "SECRET_KEY", "BASE_DIR"):
        current.cache_clear()


setting_changed.connect(_forget)
