"""What tests have in common: users, browsers, and a look at the server."""

from __future__ import annotations

import uuid
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.test import Client, TransactionTestCase

from oneseat_django import conf

from . import canaries

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
SAFARI = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1"


class Browser(Client):
    """A browser: it signs in through the form, as people do."""

    def __init__(self, agent: str = FIREFOX, **kwargs: Any) -> None:
        super().__init__(raise_request_exception=False, HTTP_USER_AGENT=agent, REMOTE_ADDR="192.0.2.7", **kwargs)

    def request(self, **request: Any) -> Any:
        response = super().request(**request)
        canaries.look_at_answer(response)
        return response

    def sign_in(self, user: Any, password: str = "right") -> Any:
        return self.post("/accounts/login/", {"username": user.username, "password": password})

    def sees(self, path: str = "/") -> str:
        """What a page says; or where it sends the visitor."""
        response = self.get(path)
        if response.status_code == 200:
            return response.content.decode()
        return f"{response.status_code} {response.get('Location', '')}".strip()

    def cookie(self) -> str:
        return self.cookies[settings.SESSION_COOKIE_NAME].value


AWAY = "302 /accounts/login/?next=/"


class SeatTest(TransactionTestCase):
    def user(self, name: str = "ada", **more: Any) -> Any:
        return get_user_model().objects.create_user(name, password="right", id=uuid.uuid4(), **more)

    def seats(self, user: Any) -> list[str]:
        """The IDs of the user's sessions on the server."""
        said = conf.current().client.call("sessions", {"account": str(user.pk)}, 10).body
        return [s["id"] for s in said["sessions"]]

    def signed_in(self, user: Any, agent: str = FIREFOX, **kwargs: Any) -> Browser:
        browser = Browser(agent, **kwargs)
        self.assertEqual(browser.sign_in(user).status_code, 302)
        self.assertEqual(browser.sees(), f"hello {user.username}")
        return browser
