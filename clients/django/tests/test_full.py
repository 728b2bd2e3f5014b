"""What a sign-in to a full account meets, under the policies that displace nobody."""

from __future__ import annotations

import re
from unittest import mock

from django.test import override_settings

from oneseat_django import client, conf

from .browsers import AWAY, SAFARI, Browser, SeatTest
from .served import Served


class OfAPolicy(SeatTest):
    first_device = "Firefox on Linux"
    policy = ""

    def server(self):
        server = Served("--policy", self.policy)
        self.addCleanup(server.stop)
        return {"URL": server.url, "KEY": server.key, "TIMEOUT": 60}

    def setUp(self):
        setting = override_settings(ONESEAT=self.server())
        setting.enable()
        self.addCleanup(setting.disable)


class AskingWithinAPlan(OfAPolicy):
    policy = "ask"

    def server(self):
        return {**super().server(), "LIMITS": lambda user: {"total": 2}}

    def test_the_choice_is_of_a_user_with_a_plan(self):
        ada = self.user()
        first, second = self.signed_in(ada), self.signed_in(ada)
        third = Browser()
        self.assertEqual(third.sign_in(ada).status_code, 409)
        self.assertEqual(third.post("/accounts/login/", {"oneseat_end": self.seats(ada)[-1]}).status_code, 302)
        self.assertEqual(third.sees(), "hello ada")
        self.assertEqual([b.sees() for b in (first, second)].count("hello ada"), 1)


class KnowingBrowsers(OfAPolicy):
    policy = "refuse"

    def server(self):
        return {**super().server(), "DEVICE_ID_COOKIE": "browser"}

    def test_a_browser_that_has_lost_its_session_gets_its_own_seat_back(self):
        ada = self.user()
        first = self.signed_in(ada)
        kept = first.cookies["browser"]
        self.assertRegex(kept.value, r"^[A-Za-z0-9_-]{32}$")
        self.assertTrue(kept["httponly"] and kept["samesite"] == "Lax" and int(kept["max-age"]) == 400 * 86400)
        del first.cookies["sessionid"]
        self.assertEqual(first.sign_in(ada).status_code, 302)
        self.assertEqual(first.sees(), "hello ada")
        self.assertEqual(first.cookies["browser"].value, kept.value)
        self.assertEqual(len(self.seats(ada)), 1)

        second = Browser()
        self.assertEqual(second.sign_in(ada).status_code, 409)
        self.assertNotIn("browser", second.cookies)  # it took no seat
        for odd in ("", "short", 65 * "x", 32 * "é", "x" * 31 + ";"):
            second.cookies["browser"] = odd
            with self.subTest(odd):
                self.assertEqual(second.sign_in(ada).status_code, 409)

    def test_a_page_gets_no_cookie_but_that_of_a_sign_in(self):
        ada = self.user()
        browser = self.signed_in(ada)
        del browser.cookies["browser"]
        self.assertEqual(browser.sees(), "hello ada")
        self.assertNotIn("browser", browser.cookies)


class KnowingBrowsersInTheDouble(KnowingBrowsers):
    def server(self):
        return {"URL": "memory:refuse", "DEVICE_ID_COOKIE": "browser"}


class Refusing(OfAPolicy):
    policy = "refuse"

    def test_the_newcomer_is_told_where_the_account_is_signed_in_and_takes_no_seat(self):
        ada = self.user()
        first = self.signed_in(ada)
        second = Browser()
        answer = second.sign_in(ada)
        self.assertEqual(answer.status_code, 409)
        self.assertIn(self.first_device, answer.content.decode())
        self.assertEqual(second.sees(), AWAY)
        self.assertEqual(first.sees(), "hello ada")
        first.post("/accounts/logout/")
        self.assertEqual(second.sign_in(ada).status_code, 302)

    def test_who_was_signed_in_as_another_user_there_leaves_no_seat_behind(self):
        ada, alan = self.user(), self.user("alan")
        self.signed_in(ada)
        browser = self.signed_in(alan)
        self.assertEqual(browser.sign_in(ada).status_code, 409)
        self.assertEqual(self.seats(alan), [])


class Blocked(OfAPolicy):
    policy = "refuse"

    def test_an_account_that_is_blocked_is_told_so(self):
        ada = self.user()
        conf.current().client.call("block", {"account": str(ada.pk), "actor": "support"}, 10)
        answer = Browser().sign_in(ada)
        self.assertEqual(answer.status_code, 409)
        self.assertIn("Ask the people who run this site", answer.content.decode())


class Asking(OfAPolicy):
    policy = "ask"

    def asked(self, user):
        """A browser that is shown who holds the seats."""
        browser = Browser(SAFARI)
        browser.handler.enforce_csrf_checks = True
        browser.get("/accounts/login/?next=/poll/")
        page = browser.post("/accounts/login/?next=/poll/", {"username": user.username, "password": "right", **self.csrf(browser)})
        self.assertEqual(page.status_code, 409)
        return browser, page.content.decode()

    def csrf(self, browser):
        return {"csrfmiddlewaretoken": browser.cookies["csrftoken"].value}

    def test_the_newcomer_chooses_who_gives_way_and_is_signed_in(self):
        ada = self.user()
        first = self.signed_in(ada)
        second, page = self.asked(ada)
        self.assertIn(self.first_device, page)
        self.assertEqual((second.sees(), first.sees()), (AWAY, "hello ada"))
        (seat,) = self.seats(ada)
        self.assertEqual(re.findall('name="oneseat_end" value="(.*?)"', page), [seat])
        token = re.search('name="csrfmiddlewaretoken" value="(.*?)"', page)[1]
        answer = second.post("/accounts/login/?next=/poll/", {"oneseat_end": seat, "csrfmiddlewaretoken": token})
        self.assertEqual((answer.status_code, answer["Location"]), (302, "/poll/"))
        self.assertEqual((second.sees(), first.sees()), ("hello ada", AWAY))
        self.assertEqual(len(self.seats(ada)), 1)
        # Once only.
        self.assertNotIn("_oneseat_choice", second.session)
        second.post("/accounts/logout/", self.csrf(second))
        self.assertEqual(self.seats(ada), [])

    def test_who_chooses_nobody_or_a_stranger_is_asked_again(self):
        ada, alan = self.user(), self.user("alan")
        first, other = self.signed_in(ada), self.signed_in(alan)
        second, _ = self.asked(ada)
        for chosen in ("", self.seats(alan)[0], "nonsense"):
            answer = second.post("/accounts/login/", {"oneseat_end": chosen, **self.csrf(second)})
            self.assertIn(answer.status_code, (409, 302), chosen)
            self.assertEqual((second.sees(), first.sees(), other.sees()), (AWAY, "hello ada", "hello alan"))
            second, _ = self.asked(ada)

    def test_a_choice_from_another_site_is_none(self):
        ada = self.user()
        first = self.signed_in(ada)
        second, _ = self.asked(ada)
        self.assertEqual(second.post("/accounts/login/", {"oneseat_end": self.seats(ada)[0]}).status_code, 403)
        self.assertEqual((second.sees(), first.sees()), (AWAY, "hello ada"))

    def test_a_password_that_was_changed_meanwhile_chooses_nobody(self):
        ada = self.user()
        first = self.signed_in(ada)
        second, _ = self.asked(ada)
        seat = self.seats(ada)[0]
        with mock.patch("oneseat_django.seats.end_others"):
            ada.set_password("tr0mbone-xyz")
            ada.save()
        answer = second.post("/accounts/login/", {"oneseat_end": seat, **self.csrf(second)})
        self.assertEqual(answer["Location"], "/accounts/login/")
        self.assertIn("Please sign in again", second.sees("/accounts/login/"))
        self.assertEqual(second.sees(), AWAY)
        self.assertEqual(self.seats(ada), [seat])
        del first


class OnTheDouble:
    first_device = "another device"

    def server(self):
        return {"URL": f"memory:{self.policy}"}


class RefusingOnTheDouble(OnTheDouble, Refusing):
    pass


class AskingOnTheDouble(OnTheDouble, Asking):
    pass


class Admin(SeatTest):
    def test_the_staff_sees_who_is_signed_in_where_and_signs_out_everywhere(self):
        ada, root = self.user(), self.user("root", is_staff=True, is_superuser=True)
        browser, staff = self.signed_in(ada, SAFARI), self.signed_in(root)
        page = staff.sees(f"/admin/tests/user/{ada.pk}/change/")
        self.assertRegex(page, r"<div>Safari on iPhone, since \d\d/\d\d/\d{4}.*, last seen")
        self.assertIn("Sign out everywhere", staff.sees("/admin/tests/user/"))
        staff.post("/admin/tests/user/", {"action": "oneseat_sign_out", "_selected_action": [str(ada.pk)]})
        self.assertIn("Sessions that ended: 1.", staff.sees("/admin/tests/user/"))
        self.assertEqual((browser.sees(), staff.sees()), (AWAY, "hello root"))
        self.assertIn("no device", staff.sees(f"/admin/tests/user/{ada.pk}/change/"))
        self.assertEqual(staff.get("/admin/tests/user/add/").status_code, 200)

    def test_who_may_only_look_cannot_sign_out(self):
        from django.contrib.auth.models import Permission

        ada, helper = self.user(), self.user("helper", is_staff=True)
        helper.user_permissions.add(Permission.objects.get(codename="view_user"))
        browser, staff = self.signed_in(ada), self.signed_in(helper)
        self.assertIn("since", staff.sees(f"/admin/tests/user/{ada.pk}/change/"))
        staff.post("/admin/tests/user/", {"action": "oneseat_sign_out", "_selected_action": [str(ada.pk)]})
        self.assertEqual(browser.sees(), "hello ada")

    def test_a_server_that_is_away_does_not_break_the_admin(self):
        root = self.user("root", is_staff=True, is_superuser=True)
        staff = self.signed_in(root)
        with mock.patch("oneseat_django.seats.live", side_effect=client.Away("on purpose")):
            self.assertIn("oneseat does not answer", staff.sees(f"/admin/tests/user/{root.pk}/change/"))
        with mock.patch("oneseat_django.seats.end_all", side_effect=client.Away("on purpose")):
            staff.post("/admin/tests/user/", {"action": "oneseat_sign_out", "_selected_action": [str(root.pk)]})
        self.assertIn("not all were signed out", staff.sees("/admin/tests/user/"))
