"""Kinds of views and of sign-ins."""

from __future__ import annotations

import asyncio
import time
from unittest import mock

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.test import AsyncClient, Client, override_settings

from oneseat_django import end_all, seats, streams

from . import views
from .browsers import AWAY, Browser, SeatTest
from .served import Served


class Views(SeatTest):
    def test_a_streaming_answer_breaks_off_when_its_session_ends(self):
        with override_settings(ONESEAT={**settings.ONESEAT, "STREAM_CHECK": 0.1}):
            ada = self.user()
            first = self.signed_in(ada)

            def endless():
                while True:
                    yield b"more "
                    time.sleep(0.01)

            views.pieces = endless()
            sent = iter(first.get("/live/").streaming_content)
            self.assertEqual([next(sent) for _ in range(30)], 30 * [b"more "])
            seat = self.seats(ada)
            self.signed_in(ada)
            deadline = time.monotonic() + 120
            with self.assertRaisesRegex(streams.SessionEnded, seat[0]):
                while time.monotonic() < deadline:
                    next(sent)

    def test_the_session_authentication_of_rest_framework_is_covered(self):
        ada = self.user()
        first = self.signed_in(ada)
        self.assertEqual(first.sees("/rest/"), '"ada"')
        self.signed_in(ada)
        answer = first.get("/rest/", HTTP_ACCEPT="application/json")
        self.assertEqual((answer.status_code, answer["Oneseat-Ended"]), (403, "displaced"))

    def test_an_asynchronous_view_is_checked_too(self):
        ada = self.user()
        first = self.signed_in(ada)

        async def sees(browser, path):
            tab = AsyncClient()
            tab.cookies.load(browser.cookies.output(header=""))
            return await tab.get(path)

        self.assertEqual(asyncio.run(sees(first, "/asynchronous/")).content, b"asynchronous")
        self.signed_in(ada)
        answer = asyncio.run(sees(first, "/asynchronous/"))
        self.assertEqual((answer.content, answer["Oneseat-Ended"]), (b"asynchronous", "displaced"))
        self.assertEqual(asyncio.run(sees(first, "/")).status_code, 302)

    def test_a_sign_in_through_asgi_takes_the_seat(self):
        ada = self.user()
        first = self.signed_in(ada)

        async def signs_in():
            browser = AsyncClient()
            # The client of Django 3.2 cannot send multipart.
            form = "username=ada&password=right"
            await browser.post("/accounts/login/", form, content_type="application/x-www-form-urlencoded")
            return await browser.get("/")

        self.assertEqual(asyncio.run(signs_in()).content, b"hello ada")
        self.assertEqual(first.sees(), AWAY)

    def test_polls_are_no_activity_if_the_settings_say_so(self):
        with override_settings(ONESEAT={**settings.ONESEAT, "PASSIVE": ["poll"]}):
            browser = self.signed_in(self.user())
            with mock.patch.object(seats, "check", wraps=seats.check) as check:
                browser.sees("/poll/")
                browser.sees("/")
                browser.get("/nowhere/")
            self.assertEqual([c.args[1] for c in check.call_args_list], [False, True, True])

    def test_the_test_client_of_a_project_signs_in(self):
        ada = self.user()
        first = Client()
        first.force_login(ada)
        self.assertEqual(first.get("/").status_code, 200)
        second = Client()
        self.assertTrue(second.login(username="ada", password="right"))
        self.assertEqual(second.get("/").status_code, 200)
        self.assertEqual(first.get("/").status_code, 302)
        second.logout()
        self.assertEqual(self.seats(ada), [])

    def test_all_sessions_of_a_user_are_ended_by_the_projects_own_code(self):
        ada = self.user()
        browser = self.signed_in(ada)
        self.assertEqual(end_all(ada, actor="support"), 1)
        self.assertIn("302", browser.sees())
        self.assertIn("signed out from elsewhere", browser.sees("/accounts/login/"))

    def test_an_account_may_be_something_else_than_the_primary_key(self):
        with override_settings(ONESEAT={**settings.ONESEAT, "ACCOUNT": lambda user: "team-" + user.username[0]}):
            ada, alan = self.user(), self.user("alan")
            first = self.signed_in(ada)
            second = self.signed_in(alan)
            self.assertEqual(first.sees(), AWAY)
            self.assertEqual(second.sees(), "hello alan")

    def test_a_user_has_as_many_sessions_as_the_plan_says(self):
        with override_settings(ONESEAT={**settings.ONESEAT, "LIMITS": lambda user: {"total": 2} if user.first_name == "family" else None}):
            ada, alan = self.user(first_name="family"), self.user("alan")
            first, second = self.signed_in(ada), self.signed_in(ada)
            self.assertEqual((first.sees(), second.sees()), ("hello ada", "hello ada"))
            third = self.signed_in(ada)
            self.assertEqual([b.sees() for b in (first, second, third)].count("hello ada"), 2)
            self.assertEqual(third.sees(), "hello ada")
            other = self.signed_in(alan)
            self.signed_in(alan)
            self.assertEqual(other.sees(), AWAY)

    def test_limits_that_make_no_sense_let_nobody_in_and_are_logged(self):
        with override_settings(ONESEAT={**settings.ONESEAT, "LIMITS": lambda user: {"total": -1}}):
            browser = Browser()
            with self.assertLogs("oneseat", "ERROR") as logged:
                self.assertEqual(browser.sign_in(self.user()).status_code, 503)
            self.assertRegex(logged.output[0], "limits|body")
            self.assertEqual(browser.sees(), AWAY)

    def test_whom_the_settings_skip_has_as_many_sessions_as_wanted(self):
        with override_settings(ONESEAT={**settings.ONESEAT, "SKIP": lambda request, user: user.is_staff}):
            root = self.user("root", is_staff=True)
            first, second = self.signed_in(root), self.signed_in(root)
            self.assertEqual((first.sees(), second.sees()), ("hello root", "hello root"))
            self.assertEqual(self.seats(root), [])

    def test_support_that_takes_on_a_users_name_takes_no_seat(self):
        root, ada = self.user("root"), self.user()
        customer, support = self.signed_in(ada), self.signed_in(root)
        with mock.patch.object(seats, "impersonates", lambda request: "become" in request.path):
            support.get(f"/become/{ada.pk}/")
            self.assertEqual((support.sees(), customer.sees()), ("hello ada", "hello ada"))
            # It is support's own session that this rests on.
            support.get(f"/become/{root.pk}/")
            self.assertEqual(support.sees(), "hello root")
            support.get(f"/become/{ada.pk}/")
        end_all(root)
        self.assertEqual((support.sees(), customer.sees()), (AWAY, "hello ada"))


def looks_at_the_user(get_response):
    """A middleware of the project's, before ours."""

    def middleware(request):
        request.user.is_authenticated
        return get_response(request)

    return middleware


class SignIns(SeatTest):
    def test_an_account_that_signs_in_too_often_is_asked_to_wait_and_signed_out_nowhere(self):
        server = Served("--sign-ins-per-minute", "2")
        self.addCleanup(server.stop)
        with override_settings(ONESEAT={"URL": server.url, "KEY": server.key, "TIMEOUT": 60}):
            ada = self.user()
            first, second = self.signed_in(ada), Browser()
            answer = second.sign_in(ada)
            self.assertEqual((answer.status_code, answer["Retry-After"]), (503, "1"))
            self.assertEqual((second.sees(), first.sees()), (AWAY, "hello ada"))


class Sessions(SeatTest):
    def test_a_user_whom_another_middleware_has_looked_up_already_is_refused_too(self):
        names = [*settings.MIDDLEWARE[:-1], "tests.test_views.looks_at_the_user", settings.MIDDLEWARE[-1]]
        with override_settings(MIDDLEWARE=names):
            ada = self.user()
            first = self.signed_in(ada)
            self.signed_in(ada)
            self.assertEqual(first.sees(), AWAY)

    def test_a_sign_in_whose_session_is_deleted_meanwhile_leaves_no_seat_behind(self):
        ada = self.user()
        browser = self.signed_in(ada)
        ask = seats.sign_in

        def sign_in(*args):
            Session.objects.all().delete()
            return ask(*args)

        with mock.patch.object(seats, "sign_in", sign_in):
            self.assertEqual(browser.sign_in(ada).status_code, 400)
        self.assertEqual(self.seats(ada), [])

    def planted(self, ada, **more):
        """A browser with a session that we wrote."""
        session = SessionStore()
        session.update({SESSION_KEY: str(ada.pk), BACKEND_SESSION_KEY: "django.contrib.auth.backends.ModelBackend", HASH_SESSION_KEY: ada.get_session_auth_hash(), **more})
        session.save()
        browser = Browser()
        browser.cookies["sessionid"] = session.session_key
        return browser

    def test_a_session_that_is_older_than_the_app_asks_to_sign_in_again(self):
        ada = self.user()
        browser = self.planted(ada)
        self.assertEqual(browser.sees(), AWAY)
        self.assertIn("Please sign in again", browser.sees("/accounts/login/"))
        self.assertEqual(browser.sign_in(ada).status_code, 302)
        self.assertEqual(browser.sees(), "hello ada")

    def test_a_session_that_is_older_than_the_app_goes_on_if_the_server_allows_it(self):
        server = Served(realm="adopt_until = 2100-01-01T00:00:00Z")
        self.addCleanup(server.stop)
        with override_settings(ONESEAT={"URL": server.url, "KEY": server.key, "TIMEOUT": 60}):
            ada = self.user()
            browser, tab = self.planted(ada), Browser()
            tab.cookies.load(browser.cookies.output(header=""))
            self.assertEqual(browser.sees(), "hello ada")
            self.assertEqual(len(self.seats(ada)), 1)
            self.assertEqual((tab.sees(), browser.sees()), ("hello ada", "hello ada"))
            # A newer sign-in ends it, and what is older comes back no more.
            second = self.signed_in(ada)
            self.assertEqual(browser.sees(), AWAY)
            self.assertEqual(self.planted(ada).sees(), AWAY)
            self.assertEqual(second.sees(), "hello ada")

    def test_a_sign_in_that_was_never_finished_is_none(self):
        ada = self.user()
        self.assertEqual(self.planted(ada, _oneseat=[str(ada.pk), "", str(ada.pk)]).sees(), AWAY)

    def test_a_seat_counts_for_the_user_of_its_sign_in_only(self):
        ada, alan = self.user(), self.user("alan")
        first = self.signed_in(ada)
        (seat,) = self.seats(ada)
        self.assertEqual(self.planted(alan, _oneseat=[str(ada.pk), seat, str(ada.pk)]).sees(), AWAY)
        self.assertEqual(first.sees(), "hello ada")
