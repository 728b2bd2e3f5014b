"""The double answers what the server answers, call by call."""

from __future__ import annotations

from typing import Any

from django.test import SimpleTestCase

from oneseat_django.client import Answer, Client, attempt
from oneseat_django.memory import Memory

from .served import Served

# Of these members it counts only that they are there. The double has fewer words about a
# device.
VARIES = {"id", "at", "created", "last_seen", "proved", "expires", "token", "ticket", "session", "by", "reference", "instance", "detail", "device", "by_device", "set_cookie"}
# What the double leaves out.
MORE = {"set_cookie", "left_ms", "same_device", "expires_in", "rotated", "actor"}


def shape(value: Any) -> Any:
    if isinstance(value, list):
        return [shape(v) for v in value]
    if not isinstance(value, dict):
        return value
    return {k: "…" if k in VARIES and not isinstance(v, dict) or k in ("device", "by_device") else shape(v) for k, v in sorted(value.items()) if k not in MORE}


class Story:
    """Calls, one after the other, on one server. What it returns is what was answered."""

    def __init__(self, server: Any) -> None:
        self.server, self.answers = server, []

    def call(self, name: str, **body: Any) -> Answer:
        answer = self.server.call(name, body, 60, attempt() if name in ("signin", "redeem") else "")
        self.answers.append((name, answer.status, shape(answer.body)))
        return answer

    def sign_in(self, account: str, **more: Any) -> str:
        return self.call("signin", account=account, **more).body.get("session", {}).get("id", "")

    def check(self, account: str, session: str) -> None:
        self.call("check", account=account, session=session)
        self.call("check", account=account, session=session, use=False)

    def play(self) -> list[Any]:
        first = self.sign_in("ada")
        self.check("ada", first)
        self.check("ada", "nonsense")
        self.check("alan", first)
        second = self.sign_in("ada", device={"user_agent": "x"})
        for s in (first, second):
            self.check("ada", s)
        third = self.sign_in("ada", previous={"account": "ada", "session": second or first})
        fourth = self.sign_in("ada", previous={"account": "ada", "session": second or first})
        for s in (first, second, third, fourth):
            if s:
                self.check("ada", s)
        self.sign_in("ada", previous={"account": "ada", "session": "nonsense"})
        self.call("sessions", account="ada")
        self.call("sessions", account="nobody")
        last = self.sign_in("grace")
        other = self.sign_in("alan", previous={"account": "grace", "session": last})
        self.check("grace", last)
        once = self.sign_in("barbara")
        now = self.sign_in("barbara", previous={"account": "barbara", "session": once})
        self.sign_in("carol", previous={"account": "barbara", "session": once})
        self.check("barbara", now)
        self.call("end", account="alan", **{"except": other})
        self.call("end", account="alan", reason="credentials_changed", **{"except": last})
        self.call("end", account="alan", all=True, reason="credentials_changed")
        self.call("end", account="alan", all=True)
        self.call("end", account="alan", reason="credentials_changed", **{"except": other})
        self.check("alan", other)
        out = self.sign_in("grace")
        for _ in range(2):
            self.call("signout", account="grace", session=out)
        self.check("grace", out)
        gone = self.sign_in("grace")
        self.call("end", account="grace", all=True)
        self.check("grace", gone)
        self.call("signin", account="grace", adopt={})
        held = self.sign_in("grace")
        full = self.call("signin", account="grace")
        ticket = full.body.get("ticket", "nonsense")
        again = self.call("redeem", ticket=ticket, end=["nonsense"])
        ticket = again.body.get("ticket", ticket)
        self.call("redeem", ticket=ticket, end=[held])
        self.check("grace", held)
        self.call("redeem", ticket=ticket, end=[held])
        own = self.sign_in("zoe", device={"id": 32 * "a"})
        self.sign_in("zoe", device={"id": 32 * "b"})
        back = self.sign_in("zoe", device={"id": 32 * "a"})
        for s in (own, back):
            self.check("zoe", s)
        return self.answers


class Double(SimpleTestCase):
    maxDiff = None

    def test_its_answers_are_those_of_the_server(self):
        for policy in ("displace", "refuse", "ask"):
            with self.subTest(policy):
                server = Served("--policy", policy)
                self.addCleanup(server.stop)
                client = Client(server.url, server.key)
                self.addCleanup(client.close)
                theirs, ours = Story(client).play(), Story(Memory(policy)).play()
                for n, (their, our) in enumerate(zip(theirs, ours)):
                    self.assertEqual(our, their, f"call {n}")
                self.assertEqual(len(ours), len(theirs))
