"""What `manage.py check` says, and what a site does with settings that make no sense."""

from __future__ import annotations

from django.conf import settings
from django.core import checks, mail
from django.core.exceptions import ImproperlyConfigured
from django.test import SimpleTestCase, override_settings

from oneseat_django import client, conf, seats
from oneseat_django.checks import AUTH, MESSAGES, OURS, TAG

from .served import Served
from .test_outage import WRONG

GOOD = settings.ONESEAT


def said(deploy: bool = False) -> list[str]:
    return [f"{m.id} {m.msg} {m.hint}" for m in checks.run_checks(tags=[TAG], include_deployment_checks=deploy)]


class Checks(SimpleTestCase):
    def test_good_settings_are_good(self):
        self.assertEqual(said(deploy=True), [])

    def test_each_mistake_in_the_settings_is_named_with_its_cure(self):
        for bad, want in (
            (None, "E003 ONESEAT is no dict"),
            ({"KEY": GOOD["KEY"]}, 'E003 .*"URL".* is missing'),
            ({"URL": GOOD["URL"]}, 'E003 .*"KEY".* is missing'),
            ({**GOOD, "URL": "localhost:7300"}, "E003.*http://host:port"),
            ({**GOOD, "URL": "http://localhost:7300/v1/"}, "E003.*nothing"),
            ({**GOOD, "URL": "unix:api.sock"}, "E003.*whole path"),
            ({**GOOD, "URL": "unix:/" + 120 * "x"}, "E003.*107 bytes"),
            ({**GOOD, "URL": "ftp://host"}, "E003.*http://host:port"),
            ({**GOOD, "KEY": "secret"}, "E003.*oneseat keys create"),
            ({**GOOD, "DEVICE_ID_COOKIE": "a device"}, "E003.*name of a cookie"),
            ({**GOOD, "DEVICE_ID_COOKIE": "sessionid"}, "E003.*Another cookie"),
            ({**GOOD, "KEY": GOOD["KEY"] + "\r\nX: y"}, "E003.*oneseat keys create"),
            ({**GOOD, "URI": "x"}, "E005.*'URI'.*URL, KEY"),
            ({"URL": "memory:none"}, "E003.*memory:refuse"),
            ({**GOOD, "WHEN_DOWN": "open"}, "E003.*refuse"),
            ({**GOOD, "TIMEOUT": "1"}, "E003.*seconds"),
            ({**GOOD, "TIMEOUT": True}, "E003.*seconds"),
            ({**GOOD, "TIMEOUT": 0}, "E003.*seconds"),
            ({**GOOD, "STREAM_CHECK": -1}, "E003.*seconds"),
            ({**GOOD, "ACCOUNT": 7}, "E003.*function"),
            ({**GOOD, "ACCOUNT": "no.such.function"}, "E003"),
            ({**GOOD, "LIMITS": {"total": 2}}, "E003.*function"),
            ({**GOOD, "PASSIVE": "poll"}, "E003.*list of names"),
            ({**GOOD, "BINARY": 7}, "E003.*path of the program"),
            ({**GOOD, "NODES": 0}, "E003.*1 or more"),
            ({**GOOD, "TRUSTED_PROXIES": ["10.0.0.1/8"]}, "E003"),
        ):
            with self.subTest(bad), override_settings(ONESEAT=bad):
                found = said()
                self.assertEqual(len(found), 1, found)
                self.assertRegex(found[0], want)
                self.assertNotIn(GOOD["KEY"], found[0])
                with self.assertRaises(ImproperlyConfigured):
                    conf.current()

    def test_the_double_is_for_tests_only(self):
        with override_settings(ONESEAT={"URL": "memory:"}):
            self.assertEqual(said(deploy=True), [])
            outbox = mail.outbox
            try:
                del mail.outbox
                self.assertRegex(said()[0], "E004.*oneseat run")
                conf.current.cache_clear()
                with self.assertRaisesRegex(ImproperlyConfigured, "for tests only"):
                    conf.current()
                with override_settings(DEBUG=True):
                    self.assertEqual(said(), [])
            finally:
                mail.outbox = outbox

    def test_each_mistake_in_the_middleware_is_named_with_its_cure(self):
        names = [n for n in settings.MIDDLEWARE if n != OURS]
        for bad, want in (
            (names, ["E001"]),
            ([OURS, *names], ["E002", "E002", "E002"]),
            ([*names[:-1], OURS, names[-1]], ["E002"]),
            ([n for n in settings.MIDDLEWARE if n != MESSAGES], ["W002"]),
        ):
            with self.subTest(bad), override_settings(MIDDLEWARE=bad):
                self.assertEqual([m.split()[0].partition(".")[2] for m in said()], want)
        self.assertIn(AUTH, names)

    def test_what_is_dangerous_is_warned_of(self):
        with override_settings(ONESEAT={**GOOD, "URL": "http://oneseat.example"}):
            self.assertRegex(said()[0], "W001.*plain http")
        with override_settings(CSRF_USE_SESSIONS=True):
            self.assertRegex(said()[0], "W004")
        with override_settings(MESSAGE_STORAGE="django.contrib.messages.storage.session.SessionStorage"):
            self.assertRegex(said()[0], "W004")

    def test_the_server_is_asked_when_the_site_is_deployed(self):
        with override_settings(ONESEAT={**GOOD, "KEY": WRONG}), self.assertLogs("oneseat", "ERROR"):
            self.assertRegex(said(deploy=True)[0], "E008.*refuses the key")
        with override_settings(ONESEAT={**GOOD, "URL": "unix:/nowhere"}), self.assertLogs("oneseat", "ERROR"):
            self.assertRegex(said(deploy=True)[0], "E009.*does not answer")
        server = Served("--policy", "refuse")
        self.addCleanup(server.stop)
        with override_settings(ONESEAT={"URL": server.url, "KEY": server.key}, SESSION_COOKIE_AGE=60):
            self.assertRegex(said(deploy=True)[0], "W003.*outlives")


class Addresses(SimpleTestCase):
    def test_an_address_is_that_of_the_connection_unless_a_trusted_proxy_says_another(self):
        class Request:
            META = {"REMOTE_ADDR": "10.0.0.1", "HTTP_X_FORWARDED_FOR": "203.0.113.9, 192.0.2.7, 10.0.0.2"}

        self.assertEqual(seats.device(Request)["ip"], "10.0.0.1")
        with override_settings(ONESEAT={**GOOD, "TRUSTED_PROXIES": ["10.0.0.0/8"]}):
            self.assertEqual(seats.device(Request)["ip"], "192.0.2.7")
        with override_settings(ONESEAT={**GOOD, "TRUSTED_PROXIES": ["192.0.2.0/24"]}):
            self.assertEqual(seats.device(Request)["ip"], "10.0.0.1")

    def test_urls_are_read(self):
        for url, want in (
            ("unix:/run/oneseat/api.sock", ("unix", "/run/oneseat/api.sock", 0)),
            ("http://127.0.0.1:7300", ("http", "127.0.0.1", 7300)),
            ("http://[::1]:7300/", ("http", "::1", 7300)),
            ("https://oneseat.example", ("https", "oneseat.example", 443)),
        ):
            self.assertEqual(client.address(url), want)
