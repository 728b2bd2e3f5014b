"""What the package promises, on each of Django's five session backends."""

from __future__ import annotations

from datetime import timedelta

from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.test import override_settings
from django.utils import timezone

from .browsers import AWAY, SAFARI, Browser, SeatTest


class Promises:
    second_device = "iPhone"

    def test_a_second_sign_in_ends_the_first_session_which_is_told_why_and_when(self):
        ada = self.user()
        first = self.signed_in(ada)
        second = self.signed_in(ada, SAFARI)
        refused = first.get("/")
        self.assertEqual(refused.status_code, 302)
        self.assertEqual(refused["Oneseat-Ended"], "displaced")
        self.assertIn("no-store", refused["Cache-Control"])
        page = first.get(refused["Location"]).content.decode()
        today = timezone.localtime().strftime("%m/%d/%Y")
        self.assertRegex(page, rf"This account signed in on another device \({today} .*\)\. It was .*{self.second_device}")
        self.assertEqual(page.count("This account signed in"), 1)
        # Told once, and not with each page.
        self.assertEqual(first.sees(), AWAY)
        self.assertNotIn("This account signed in", first.sees("/accounts/login/"))
        self.assertEqual(second.sees(), "hello ada")
        self.assertEqual(len(self.seats(ada)), 1)

    def test_the_order_of_sign_ins_decides_and_not_that_of_requests(self):
        ada = self.user()
        first = self.signed_in(ada)
        second = Browser()
        second.sign_in(ada)
        for _ in range(5):
            self.assertEqual(first.sees(), AWAY)
        self.assertEqual(second.sees(), "hello ada")

    def test_a_public_page_stays_public_for_a_browser_that_was_signed_out(self):
        ada = self.user()
        first = self.signed_in(ada)
        self.signed_in(ada)
        self.assertEqual(first.sees("/public/"), "for everybody")

    def test_no_refused_answer_says_anything_about_the_session_cookie(self):
        ada = self.user()
        first = self.signed_in(ada)
        second = self.signed_in(ada)
        before = first.cookie()
        for call in (first.get, first.post, first.head):
            for path in ("/", "/public/", "/live/", "/admin/", "/nowhere/", "/accounts/login/", "/password/", "/accounts/logout/"):
                answer = call(path)
                self.assertNotIn("sessionid", answer.cookies, path)
                self.assertEqual(answer["Oneseat-Ended"], "displaced", path)
        self.assertEqual(first.cookie(), before)
        self.assertEqual(second.sees(), "hello ada")

    def test_a_browser_that_was_signed_out_comes_back_through_the_form_with_csrf_checks(self):
        ada = self.user()
        first = self.signed_in(ada)
        second = self.signed_in(ada)
        first.handler.enforce_csrf_checks = True
        first.get(first.get("/")["Location"])
        form = {"username": "ada", "password": "right", "csrfmiddlewaretoken": first.cookies["csrftoken"].value}
        self.assertEqual(first.post("/accounts/login/", form).status_code, 302)
        self.assertEqual(first.sees(), "hello ada")
        self.assertEqual(second.sees(), AWAY)

    def test_a_late_answer_to_an_old_tab_leaves_a_newer_sign_in_alone(self):
        ada = self.user()
        browser = self.signed_in(ada)
        old_tab = Browser()
        old_tab.cookies.load(browser.cookies.output(header=""))
        self.signed_in(ada)
        browser.sign_in(ada)
        for path in ("/", "/public/", "/accounts/login/"):
            self.assertNotIn("sessionid", old_tab.get(path).cookies)
        self.assertEqual(browser.sees(), "hello ada")

    def test_a_late_answer_to_a_tab_whose_session_is_gone_drops_no_newer_cookie(self):
        ada = self.user()
        browser = self.signed_in(ada)
        old_tab = Browser()
        old_tab.cookies.load(browser.cookies.output(header=""))
        browser.post("/accounts/logout/")
        for path in ("/", "/public/", "/accounts/login/", "/accounts/logout/"):
            self.assertNotIn("sessionid", old_tab.get(path).cookies, path)

    def test_six_tabs_of_one_browser_share_its_session(self):
        ada = self.user()
        browser = self.signed_in(ada)
        for _ in range(6):
            tab = Browser()
            tab.cookies.load(browser.cookies.output(header=""))
            self.assertEqual(tab.sees(), "hello ada")
        self.assertEqual(len(self.seats(ada)), 1)

    def test_the_same_browser_signs_in_again_and_nobody_is_told_off(self):
        ada = self.user()
        browser = self.signed_in(ada)
        tab = Browser()
        tab.cookies.load(browser.cookies.output(header=""))
        browser.sign_in(ada)
        self.assertEqual(browser.sees(), "hello ada")
        self.assertEqual(tab.sees(), "hello ada")
        self.assertEqual(len(self.seats(ada)), 1)

    def test_another_user_in_the_same_browser_ends_the_first_ones_session(self):
        ada, alan = self.user(), self.user("alan")
        browser = self.signed_in(ada)
        browser.sign_in(alan)
        self.assertEqual(browser.sees(), "hello alan")
        self.assertEqual((len(self.seats(ada)), len(self.seats(alan))), (0, 1))
        self.assertEqual(self.signed_in(ada).sees(), "hello ada")

    def test_a_sign_out_ends_the_session_here_and_on_the_server(self):
        ada = self.user()
        browser = self.signed_in(ada)
        kept = browser.cookie()
        browser.post("/accounts/logout/")
        self.assertEqual(browser.sees(), AWAY)
        self.assertEqual(self.seats(ada), [])
        # Nor does a copy of the cookie: with signed_cookies Django alone cannot see to it.
        thief = Browser()
        thief.cookies["sessionid"] = kept
        self.assertEqual(thief.sees(), AWAY)
        self.assertNotIn("signed out", thief.sees("/accounts/login/"))

    def test_a_sign_out_on_the_first_device_leaves_the_second_alone(self):
        ada = self.user()
        first = self.signed_in(ada)
        second = Browser()
        second.sign_in(ada)
        first.post("/accounts/logout/")
        self.assertEqual(second.sees(), "hello ada")

    def test_a_wrong_password_ends_nothing(self):
        ada = self.user()
        first = self.signed_in(ada)
        Browser().sign_in(ada, "wrong")
        self.assertEqual(first.sees(), "hello ada")

    def test_a_view_that_fails_after_the_sign_in_takes_no_seat(self):
        ada = self.user()
        first = self.signed_in(ada)
        seat = self.seats(ada)
        for status in (500, 502, 503):
            second = Browser()
            self.assertEqual(second.get(f"/raises/{status}/?user=ada").status_code, status)
            self.assertEqual(second.sees(), AWAY)
            self.assertEqual(self.seats(ada), seat)
        self.assertEqual(first.sees(), "hello ada")
        # The browser that is signed in as this user stays in, whatever fails.
        for status in (500, 502, 503):
            first.get(f"/raises/{status}/?user=ada")
            self.assertEqual((first.sees(), self.seats(ada)), ("hello ada", seat))

    def test_a_sign_in_as_another_user_that_fails_leaves_neither_signed_in(self):
        ada, alan = self.user(), self.user("alan")
        browser = self.signed_in(ada)
        browser.get("/raises/502/?user=alan")
        self.assertEqual((self.seats(ada), self.seats(alan)), ([], []))
        self.assertEqual(browser.sees(), AWAY)

    def test_a_password_change_ends_all_other_sessions_and_not_this_one(self):
        ada = self.user()
        browser = self.signed_in(ada)
        browser.post("/password/", {"old_password": "right", "new_password1": "tr0mbone-xyz", "new_password2": "tr0mbone-xyz"})
        ada.refresh_from_db()
        self.assertTrue(ada.check_password("tr0mbone-xyz"))
        self.assertEqual(browser.sees(), "hello ada")
        self.assertEqual(len(self.seats(ada)), 1)

    def test_a_password_set_by_the_staff_ends_all_sessions_of_the_user(self):
        ada = self.user()
        self.user("root", is_staff=True, is_superuser=True)
        root = Browser()
        root.post("/accounts/login/", {"username": "root", "password": "right"})
        browser = self.signed_in(ada)
        root.post(f"/admin/tests/user/{ada.pk}/password/", {"password1": "tr0mbone-xyz", "password2": "tr0mbone-xyz"})
        self.assertEqual(self.seats(ada), [])
        self.assertEqual(browser.sees(), AWAY)
        self.assertIn("The password of this account was changed", browser.sees("/accounts/login/"))
        self.assertEqual(root.sees(), "hello root")

    def test_set_password_anywhere_ends_the_sessions_of_the_user_and_other_changes_do_not(self):
        ada = self.user()
        self.signed_in(ada)
        ada.refresh_from_db()
        ada.first_name = "Ada"
        ada.save()
        self.assertEqual(len(self.seats(ada)), 1)
        ada.set_password("tr0mbone-xyz")
        ada.save()
        self.assertEqual(self.seats(ada), [])

    def test_the_sessions_of_a_user_who_is_deleted_end(self):
        ada = self.user()
        self.signed_in(ada)
        key = ada.pk
        ada.delete()
        ada.pk = key
        self.assertEqual(self.seats(ada), [])

    def test_a_page_without_a_session_is_not_touched(self):
        with self.assertNumQueries(0):
            answer = Browser().get("/public/")
        self.assertFalse(answer.has_header("Vary"))
        self.assertEqual(dict(answer.cookies), {})

    def test_a_public_page_does_not_vary_by_cookie_because_of_us(self):
        browser = self.signed_in(self.user())
        self.assertFalse(browser.get("/public/").has_header("Vary"))


@override_settings(ONESEAT={"URL": "memory:"})
class OnTheDouble(Promises, SeatTest):
    second_device = "another device"  # it knows no browsers


class OnTheDatabase(Promises, SeatTest):
    def test_a_stored_session_that_vanished_is_a_visitor_and_locks_nobody_out(self):
        ada = self.user()
        browser = self.signed_in(ada)
        Session.objects.all().delete()
        self.assertEqual(browser.sees(), AWAY)
        self.assertEqual(browser.sees("/accounts/login/").count("<form"), 1)
        self.signed_in(ada)

    def test_clearsessions_locks_nobody_out(self):
        ada = self.user()
        browser = self.signed_in(ada)
        Session.objects.update(expire_date=timezone.now() - timedelta(days=1))
        call_command("clearsessions")
        self.assertEqual(browser.sees(), AWAY)
        self.signed_in(ada)

    def test_a_page_of_a_signed_in_user_takes_two_statements_which_are_djangos_own(self):
        browser = self.signed_in(self.user())
        with self.assertNumQueries(2) as done:
            browser.get("/")
        self.assertTrue(all(q["sql"].startswith("SELECT") for q in done.captured_queries))


@override_settings(SESSION_ENGINE="django.contrib.sessions.backends.cached_db")
class OnTheCachedDatabase(Promises, SeatTest):
    pass


@override_settings(SESSION_ENGINE="django.contrib.sessions.backends.cache")
class OnTheCache(Promises, SeatTest):
    pass


@override_settings(SESSION_ENGINE="django.contrib.sessions.backends.file")
class OnFiles(Promises, SeatTest):
    pass


@override_settings(SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies")
class OnSignedCookies(Promises, SeatTest):
    pass


