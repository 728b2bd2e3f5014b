"""A double of the server, for a project's own tests: ONESEAT = {"URL": "memory:"}. It has
one session an account, in this process; memory:refuse and memory:ask have the other two
policies. Its answers are held to those of the server by the suite, which runs on both."""

from __future__ import annotations

import secrets
import threading
from datetime import datetime, timedelta, timezone
from typing import Any, Optional

from .client import Answer

POLICIES = ("", "displace", "refuse", "ask")
IDLE = timedelta(days=14)

# The reasons, in the server's words.
WORDS = {
    "displaced": ("This account signed in on another device", "It was {device}. This account can be signed in on a limited number of devices, so this one was signed out."),
    "same device": ("This browser signed in again", "This browser, or a copy of it, now has the seat of this session."),
    "renewed": ("You signed in again", "This page belongs to your earlier sign-in. Reload the page to continue."),
    "revoked": ("This device was signed out from elsewhere", "You signed it out on another device, or the people who run this site did."),
    "credentials_changed": ("The password of this account was changed", "All other devices were signed out. Sign in with the new password."),
    "signed_out": ("You are signed out", "Sign in to continue."),
}


class _Account:
    def __init__(self) -> None:
        self.live: Optional[dict[str, Any]] = None
        self.endings: dict[str, dict[str, Any]] = {}  # by the ID of the session
        self.ticket = ""
        self.device_id = ""  # with which the live session signed in
        self.devices: set[str] = set()  # that have signed in


class Memory:
    """Answers like client.Client."""

    def __init__(self, policy: str) -> None:
        self._policy = policy or "displace"
        self._lock = threading.Lock()  # of the accounts
        self._accounts: dict[str, _Account] = {}

    def call(self, name: str, body: dict[str, Any], within: float, attempt: str = "") -> Answer:
        answer = getattr(self, f"_{name}", None)
        if answer is None:
            raise NotImplementedError(f"the double of oneseat has no call {name}")
        with self._lock:
            return Answer(*answer(body))

    def close(self) -> None:
        """There is nothing to close."""

    def _of(self, account: str) -> _Account:
        return self._accounts.setdefault(account, _Account())

    def _about(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        return 200, {"version": "memory", "realm": "default", "scopes": ["check", "sessions"], "limit": 1, "when_full": self._policy, "idle": IDLE.total_seconds()}

    def _check(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        a = self._of(body["account"])
        if a.live is not None and a.live["id"] == body["session"]:
            if body.get("use", True):
                a.live["last_seen"], a.live["expires"] = _text(_now()), _text(_now() + IDLE)
            return 200, a.live
        ending = a.endings.get(body["session"])
        if ending is None:
            return _problem(404, "no-session", "There is no such session")
        return _problem(410, "session-ended", "The session has ended", detail=ending["detail"], ending=ending)

    def _signin(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        a, previous = self._of(body["account"]), body.get("previous")
        if "adopt" in body:
            return _problem(404, "no-seat", "The older session gets no seat")
        renews = previous is not None and previous["account"] == body["account"] and self._stands_for(a, previous["session"])
        if a.live is not None and not renews and not self._is_own(a, body) and self._policy != "displace":
            return self._is_full(a)
        if previous is not None and previous["account"] != body["account"]:
            left = self._of(previous["account"])
            if left.live is not None and self._stands_for(left, previous["session"]):
                self._end_one(left, left.live["id"], "signed_out")
        return self._admit(a, body, "renewed" if renews else "displaced")

    def _is_own(self, a: _Account, body: dict[str, Any]) -> bool:
        """Whether the browser that signs in is the one that has the seat."""
        return bool(a.device_id) and a.device_id == body.get("device", {}).get("id")

    def _stands_for(self, a: _Account, session: str) -> bool:
        """Whether a session is the live one, or was renewed by it."""
        ending = a.endings.get(session, {})
        return a.live is not None and a.live["id"] in (session, ending.get("by") if ending.get("reason") == "renewed" else None)

    def _is_full(self, a: _Account) -> tuple[int, dict[str, Any]]:
        assert a.live is not None
        more: dict[str, Any] = {"limit": 1, "full": "total", "live": [{k: v for k, v in a.live.items() if k != "expires"}]}
        if self._policy == "ask":
            a.ticket = more["ticket"] = secrets.token_urlsafe(24)
        return _problem(409, "account-full", "All seats are taken", **more)

    def _admit(self, a: _Account, body: dict[str, Any], reason: str) -> tuple[int, dict[str, Any]]:
        given = body.get("device", {})
        device = {"label": given.get("label", "another device"), "class": given.get("class", "other")}
        now = _text(_now())
        new = {"id": secrets.token_hex(13).upper(), "account": body["account"], "device": device, "created": now, "last_seen": now, "proved": now, "expires": _text(_now() + IDLE)}
        displaced = []
        if a.live is not None:
            if reason == "displaced":
                displaced.append({"id": a.live["id"], "device": a.live["device"], "at": now})
            words = "same device" if reason == "displaced" and self._is_own(a, body) else reason
            self._end_one(a, a.live["id"], reason, by=new["id"], device=device, words=words)
        a.live, a.device_id = new, given.get("id", "")
        answer: dict[str, Any] = {"token": secrets.token_urlsafe(32), "session": new}
        if reason != "renewed" and a.device_id not in a.devices:
            answer["new_device"] = True
        if a.device_id:
            a.devices.add(a.device_id)
        return 201, {**answer, "displaced": displaced} if displaced else answer

    def _redeem(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        for name, a in self._accounts.items():
            if a.ticket and a.ticket == body["ticket"]:
                break
        else:
            return _problem(410, "bad-ticket", "The ticket is not good")
        if a.live is not None and a.live["id"] not in body["end"]:
            return self._is_full(a)
        a.ticket = ""
        return self._admit(a, {**body, "account": name}, "displaced")

    def _signout(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        return 200, {"ended": self._end_one(self._of(body["account"]), body["session"], "signed_out")}

    def _sessions(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        a = self._of(body["account"])
        return 200, {"sessions": [a.live] if a.live is not None else []}

    def _end(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        a = self._of(body["account"])
        if "except" in body:
            if a.live is not None and a.live["id"] == body["except"]:
                return 200, {"ended": 0}
            return self._check({"account": body["account"], "session": body["except"]})
        return 200, {"ended": self._end_one(a, a.live["id"], body.get("reason", "revoked")) if a.live is not None else 0}

    def _end_one(self, a: _Account, session: str, reason: str, by: str = "", device: Optional[dict[str, Any]] = None, words: str = "") -> int:
        if a.live is None or a.live["id"] != session:
            return 0
        if reason == "signed_out":
            by, device = session, a.live["device"]
        title, detail = WORDS[words or reason]
        ending = {
            "session": session, "reason": reason, "at": _text(_now()), "device": a.live["device"],
            "reference": session[:8], "title": title, "detail": detail.format(device=(device or {}).get("label", "")), "not_you": reason not in ("renewed", "signed_out"),
        }  # fmt: skip
        if by:
            ending.update(by=by, by_device=device)
        a.endings[session], a.live = ending, None
        return 1


def _now() -> datetime:
    return datetime.now(timezone.utc)


def _text(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _problem(status: int, name: str, title: str, **more: Any) -> tuple[int, dict[str, Any]]:
    return status, {"type": f"urn:oneseat:problem:{name}", "title": title, "status": status, "instance": "memory", "detail": "The double for tests says so.", **more}
