"""What is kept in Django's session, and the calls on the server that go with it.

The session holds one record under RECORD: the account, the ID of the server's session,
and the primary key of the user for whom it counts. An ID is no secret, and the token is
thrown away. While the ID is "", a sign-in has begun and is not finished; if the account
is "" too, the user needs no seat (SKIP)."""

from __future__ import annotations

import contextvars
import ipaddress
import logging
import re
import secrets
from typing import Any, NamedTuple, Optional

from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY

from . import client, conf

log = logging.getLogger("oneseat")

RECORD = "_oneseat"

# The request that is being served, for signals that know of none.
current: contextvars.ContextVar[Any] = contextvars.ContextVar("oneseat_request", default=None)


class Seat(NamedTuple):
    """A session of the server."""

    account: str
    id: str


class Verdict(NamedTuple):
    """What the server says of a seat: the seat that is live, or None and the ending, or
    None and None if it knows of nothing."""

    seat: Optional[Seat]
    ending: Optional[dict[str, Any]] = None


class State:
    """What is known of a request; request.oneseat."""

    def __init__(self) -> None:
        self.seat: Optional[Seat] = None  # live
        self.came: Optional[Seat] = None  # what the browser came with, live or not
        self.record: Optional[list[str]] = None  # what its session said
        self.ending: Optional[dict[str, Any]] = None  # why the request was refused
        self.refused = False  # it came with a session, and goes on as a visitor's
        self.away: Any = None  # the server did not answer: the session that was put aside
        self.wants: Any = None  # the user who signs in
        self.granted: Optional[Seat] = None  # taken already, for the user who signs in now
        self.choice: Optional[dict[str, Any]] = None  # see choice.py
        self.tell = ""  # the ID of the ending of which the visitor was told now
        self.device_id = ""  # with which the browser signs in


class NoSeat(Exception):
    """The account has no seat free, or is blocked."""


def seat_of(record: Any) -> Optional[Seat]:
    """The seat of a record; None if it has none."""
    if isinstance(record, list) and len(record) == 3 and record[1]:
        return Seat(record[0], record[1])
    return None


def impersonates(request: Any) -> bool:
    """Whether this request signs a member of staff in as a user, or back: with django-hijack
    or django-loginas."""
    match = getattr(request, "resolver_match", None)
    return match is not None and ("hijack" in match.namespaces or getattr(match.func, "__module__", "").startswith("loginas."))


def account_of(user: Any) -> str:
    """The account of a user: what ACCOUNT returns, else the primary key as text."""
    own = conf.current().account
    return str(own(user)) if own is not None else user_key(user)


def user_key(user: Any) -> str:
    """The primary key as Django writes it into its session."""
    return str(user._meta.pk.value_to_string(user))


def forget_user(session: Any) -> None:
    """Takes the user out of a session, and leaves the rest."""
    for key in (SESSION_KEY, BACKEND_SESSION_KEY, HASH_SESSION_KEY, RECORD):
        session.pop(key, None)


def check(seat: Seat, use: bool = True) -> Verdict:
    """Asks whether a seat is live. use: whether the check is activity of the visitor.
    Raises Away."""
    c = conf.current()
    ending = None
    for _ in range(3):
        body: dict[str, Any] = {"account": seat.account, "session": seat.id}
        if not use:
            body["use"] = False
        status, said = c.client.call("check", body, c.timeout)
        if status == 200:
            if (said.get("account"), said.get("id")) != (seat.account, seat.id):
                raise client.Away("this is no answer of oneseat, or one about another session")
            return Verdict(seat)
        if status != 410 or "ending" not in said:
            break
        ending = said["ending"]
        # The same browser signed in again while this request was on its way.
        if ending.get("reason") != "renewed" or not ending.get("by"):
            break
        seat = Seat(seat.account, ending["by"])
    return Verdict(None, ending)


def adopt(account: str, request: Any) -> Optional[Seat]:
    """Takes a seat for a session that is older than oneseat; None if it gets none.
    Raises Away."""
    c = conf.current()
    body = {"account": account, "device": device(request), "adopt": {}}
    status, said = c.client.call("signin", body, 2 * c.timeout, client.attempt())
    return Seat(account, said["session"]["id"]) if status == 201 else None


def plan(user: Any) -> dict[str, Any]:
    """What a sign-in says of the user's plan: what LIMITS returns, if it returns any."""
    of = conf.current().limits
    limits = of(user) if of is not None else None
    return {"limits": limits} if limits else {}


def sign_in(user: Any, request: Any, previous: Optional[Seat]) -> client.Answer:
    """Signs a user in. previous is what this browser had. Raises Away."""
    c = conf.current()
    body: dict[str, Any] = {"account": account_of(user), "device": device(request), **plan(user)}
    if previous is not None:
        body["previous"] = {"account": previous.account, "session": previous.id}
    return c.client.call("signin", body, 2 * c.timeout, client.attempt())


def sign_out(seat: Seat) -> None:
    """Ends a seat because its visitor signs out. If the server does not answer, that is
    logged and no more: the visitor's session in Django ends in any case."""
    c = conf.current()
    try:
        c.client.call("signout", {"account": seat.account, "session": seat.id}, c.timeout)
    except client.Away as why:
        log.error("a sign-out did not reach oneseat, where the session lasts until it times out: %s", why)


def live(user: Any) -> list[dict[str, Any]]:
    """The sessions of a user, the newest first. Raises Away."""
    c = conf.current()
    status, said = c.client.call("sessions", {"account": account_of(user)}, c.timeout)
    return list(said["sessions"]) if status == 200 else []


def end_all(user: Any, reason: str, actor: str = "") -> int:
    """Ends all seats of a user. Raises Away."""
    return end_account(account_of(user), reason, actor)


def end_account(account: str, reason: str = "revoked", actor: str = "") -> int:
    """Ends all seats of an account. Raises Away."""
    return _end({"account": account, "all": True, "reason": reason, "actor": actor})


def end_others(user: Any) -> int:
    """Ends the seats of a user whose password was changed, except that of the current
    request. Raises Away."""
    account = account_of(user)
    state = getattr(current.get(), "oneseat", None)
    own = state.seat if state is not None else None
    body: dict[str, Any] = {"account": account, "reason": "credentials_changed"}
    if own is not None and own.account == account:
        c = conf.current()
        status, said = c.client.call("end", {**body, "except": own.id, "by": own.id}, 2 * c.timeout)
        if status == 200:
            return int(said["ended"])
        # The seat of this request ended meanwhile, so there is none to spare.
    return _end({**body, "all": True})


def _end(body: dict[str, Any]) -> int:
    c = conf.current()
    status, said = c.client.call("end", {k: v for k, v in body.items() if v}, 2 * c.timeout)
    if status != 200:
        raise ValueError(f"{said.get('title')}: {said.get('detail')}")
    return int(said["ended"])


def device(request: Any) -> dict[str, str]:
    """What is said of the browser."""
    agent = request.META.get("HTTP_USER_AGENT", "")[:1000]
    said = {"user_agent": agent, "ip": _ip(request), "id": _device_id(request)}
    return {k: v for k, v in said.items() if v}


def _device_id(request: Any) -> str:
    """The browser's ID, or a new one; "" if the settings name no cookie for it. The
    middleware gives it to the browser, so without the middleware there is none."""
    name, state = conf.current().device_id_cookie, getattr(request, "oneseat", None)
    if not name or state is None:
        return ""
    if not state.device_id:
        given = request.COOKIES.get(name, "")
        state.device_id = given if _DEVICE_ID.fullmatch(given) else secrets.token_urlsafe(24)
    return str(state.device_id)


_DEVICE_ID = re.compile(r"[A-Za-z0-9_-]{16,64}")


def _ip(request: Any) -> str:
    """The visitor's address: that of the connection, or the last one in X-Forwarded-For
    that is of no trusted proxy."""
    trusted = conf.current().trusted_proxies
    found = ""
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "") if trusted else ""
    for text in [request.META.get("REMOTE_ADDR", ""), *reversed(forwarded.split(","))]:
        try:
            ip = ipaddress.ip_address(text.strip())
        except ValueError:
            break
        found = str(ip)
        if not any(ip in network for network in trusted):
            break
    return found
