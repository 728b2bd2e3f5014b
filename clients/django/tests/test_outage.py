"""What happens while the server is away, hangs, restarts, or knows another key."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from unittest import mock

from django.core.exceptions import ImproperlyConfigured
from django.test import SimpleTestCase, override_settings

from oneseat_django import client, conf, password_changed

from .browsers import AWAY, Browser, SeatTest
from .served import Served

WRONG = "oneseat_key_aaaaaaaa_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA_00000000"


class OnItsOwnServer(SeatTest):
    """Each test has a server, on a Unix socket."""

    more: dict = {}

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.server = Served(listen=f"unix:{folder.name}/api.sock")
        self.addCleanup(self.server.stop)
        self.wait(60)

    def wait(self, seconds):
        """Sets how many seconds a question to the server may take from now on."""
        setting = override_settings(ONESEAT={"URL": self.server.url, "KEY": self.server.key, "TIMEOUT": seconds, **self.more})
        setting.enable()
        self.addCleanup(setting.disable)

    def end(self):
        self.server.end()
        self.wait(0.1)

    def start(self):
        self.wait(60)
        self.server.start()


class WhileTheServerIsAway(OnItsOwnServer):
    def test_nobody_is_let_in_nobody_is_signed_out_and_public_pages_stay_public(self):
        ada = self.user()
        browser = self.signed_in(ada)
        before = browser.cookie()
        self.end()
        with self.assertLogs("oneseat", "ERROR") as logged:
            for call in (browser.get, browser.post):
                answer = call("/")
                self.assertEqual((answer.status_code, answer["Retry-After"]), (503, "1"))
                self.assertIn("You were not signed out", answer.content.decode())
                self.assertNotIn("sessionid", answer.cookies)
            self.assertEqual(browser.get("/admin/").status_code, 503)
            # What is more than a look is not done as a visitor.
            self.assertEqual(browser.post("/cart/").status_code, 503)
            self.assertEqual(browser.sees("/public/"), "for everybody")
            self.assertEqual(Browser().sees("/public/"), "for everybody")
            self.assertEqual(Browser().sees(), AWAY)
            newcomer = Browser()
            self.assertEqual(newcomer.sign_in(ada).status_code, 503)
            self.assertEqual(newcomer.sees(), AWAY)
        self.assertEqual(len(logged.output), 1, logged.output)
        self.start()
        with self.assertLogs("oneseat", "WARNING") as logged:
            self.until(lambda: browser.sees() == AWAY)  # it kept its sessions in memory
        self.assertIn("answers again", logged.output[0])
        self.assertEqual(browser.cookie(), before)

    def until(self, condition):
        deadline = time.monotonic() + 120
        while not condition():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.05)

    def test_what_is_no_answer_of_oneseat_is_no_yes(self):
        browser = self.signed_in(self.user())
        for said in ({}, {"account": "other", "id": "x"}, {"ok": True}):
            with mock.patch.object(client.Client, "call", return_value=client.Answer(200, said)):
                self.assertEqual(browser.get("/").status_code, 503)
        self.assertNotEqual(browser.sees(), AWAY)

    def test_a_program_gets_no_page(self):
        browser = self.signed_in(self.user())
        self.end()
        with self.assertLogs("oneseat", "ERROR"):
            answer = browser.get("/", HTTP_ACCEPT="application/json")
        self.assertEqual((answer.status_code, answer["Content-Type"]), (503, "application/problem+json"))
        self.assertEqual(answer.json()["status"], 503)
        self.start()

    def test_what_a_visitor_does_to_the_session_meanwhile_replaces_nothing(self):
        browser = self.signed_in(self.user())
        before = browser.cookie()
        self.end()
        with self.assertLogs("oneseat", "ERROR"):
            answer = browser.get("/cart/")
        self.assertNotIn("sessionid", answer.cookies)
        self.assertEqual(browser.cookie(), before)
        self.start()

    def test_a_password_change_that_ends_nobody_is_an_error(self):
        ada = self.user()
        browser = self.signed_in(ada)
        self.end()
        with self.assertLogs("oneseat", "ERROR"), self.assertRaises(client.Away):
            password_changed(ada)
        with self.assertRaises(client.Away):
            ada.set_password("tr0mbone-xyz")
            ada.save()
        self.start()
        self.assertNotEqual(browser.get("/").status_code, 200)


class WithAnAllowance(OnItsOwnServer):
    more = {"WHEN_DOWN": "allow"}

    def test_who_is_signed_in_stays_in_while_the_server_is_away_if_the_settings_say_so(self):
        ada = self.user()
        browser = self.signed_in(ada)
        self.end()
        with self.assertLogs("oneseat", "ERROR"):
            self.assertEqual(browser.sees(), "hello ada")
            newcomer = Browser()
            newcomer.sign_in(ada)
            self.assertEqual(newcomer.sees(), "hello ada")
        self.start()


class Hanging(OnItsOwnServer):
    def test_a_server_that_hangs_holds_no_worker_for_long(self):
        browser = self.signed_in(self.user())
        self.server.hang()
        self.wait(0.1)
        with self.assertLogs("oneseat", "ERROR"):
            for _ in range(3):
                self.assertEqual(browser.get("/").status_code, 503)
            # Of a hundred requests some may try; each waits for the time to ask, and the
            # others fail at once.
            tried = []
            c = conf.current().client
            ask = c._ask
            c._ask = lambda *args: tried.append(1) or ask(*args)
            began = time.monotonic()
            for _ in range(100):
                self.assertEqual(browser.get("/").status_code, 503)
            self.assertLessEqual(len(tried), 1 + (time.monotonic() - began) / client.BREAK_FOR)
        self.server.go_on()


class Restarting(OnItsOwnServer):
    def test_a_server_that_restarts_loses_no_request(self):
        c = client.Client(self.server.url, self.server.key)
        stop, failed, asked = threading.Event(), [], []

        def ask():
            while not stop.is_set():
                try:
                    asked.append(c.call("sessions", {"account": "ada"}, 60).status)
                except client.Away as why:
                    failed.append(why)

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for t in threads:
            t.start()
        for _ in range(3):
            before = len(asked)
            while len(asked) < before + 50 and not failed:
                time.sleep(0.001)
            self.server.end()
            self.server.start()
        stop.set()
        for t in threads:
            t.join()
        c.close()
        self.assertEqual(failed, [])
        self.assertEqual(set(asked), {200})

    def test_connections_that_the_server_has_closed_cost_no_wait(self):
        c = client.Client(self.server.url, self.server.key)
        c.call("about", {}, 60)
        c._kept.extend(c._connect(time.monotonic() + 60) for _ in range(8))
        self.server.end()
        self.server.start()
        with mock.patch.object(client.time, "sleep", side_effect=AssertionError("it waits")):
            self.assertEqual(c.call("about", {}, 60).status, 200)
        c.close()

    def test_a_process_that_was_forked_has_connections_of_its_own(self):
        c = client.Client(self.server.url, self.server.key)
        c.call("about", {}, 60)
        kept = c._kept[0]
        child = os.fork()
        if child == 0:
            try:
                ok = c.call("about", {}, 60).status == 200 and kept not in c._kept
            finally:
                os._exit(0 if ok else 1)
        self.assertEqual(os.waitpid(child, 0)[1], 0)
        self.assertEqual(c.call("about", {}, 60).status, 200)
        self.assertIs(c._kept[0], kept)
        c.close()

    def test_connections_are_kept_and_no_more_than_some(self):
        c = client.Client(self.server.url, self.server.key)
        self.assertEqual(c.call("about", {}, 60).status, 200)
        (kept,) = c._kept
        for _ in range(10):
            c.call("about", {}, 60)
        self.assertEqual(list(c._kept), [kept])
        c.close()

    def test_a_key_that_is_wrong_is_found_when_the_site_starts(self):
        with override_settings(ONESEAT={"URL": self.server.url, "KEY": WRONG}):
            with self.assertLogs("oneseat", "ERROR"), self.assertRaisesRegex(ImproperlyConfigured, "KEY.*is refused"):
                Browser().get("/public/")


class OverTLS(SimpleTestCase):
    def test_a_server_with_a_certificate_that_is_known_is_asked_and_another_is_not(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        cert, key = f"{folder.name}/cert.pem", f"{folder.name}/key.pem"
        line = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=x"]
        subprocess.run([*line, "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert], check=True, capture_output=True)
        server = Served("--tls-cert", cert, "--tls-key", key, realm="limit = 1")
        self.addCleanup(server.stop)
        self.assertRegex(server.url, "^https://")
        stranger = client.Client(server.url, server.key)
        with self.assertLogs("oneseat", "ERROR"), self.assertRaisesRegex(client.Away, "CERTIFICATE_VERIFY_FAILED"):
            stranger.call("about", {}, 0.5)
        with mock.patch.dict(os.environ, {"SSL_CERT_FILE": cert}):
            c = client.Client(server.url, server.key)
        for _ in range(2):
            self.assertEqual(c.call("about", {}, 60).body["limit"], 1)
        self.assertEqual(len(c._kept), 1)
        c.close()


UNDER_GEVENT = """
from gevent import monkey; monkey.patch_all()
import gevent, logging, socket
from oneseat_django import client

logging.getLogger("oneseat").addHandler(logging.NullHandler())
at = socket.create_server(("127.0.0.1", 0))

def asks():
    try:
        client.Client(f"http://127.0.0.1:{at.getsockname()[1]}", "oneseat_key_of_nobody").call("check", {}, 0.2)
    except client.Away:
        print("away")

both = [gevent.spawn(asks), gevent.spawn_later(0.1, print, "meanwhile")]
gevent.joinall(both, timeout=60)
"""


class Garbage(SimpleTestCase):
    """What is no answer is no yes."""

    def answers(self, *answers: bytes) -> client.Client:
        at = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(at.close)

        def serve():
            for answer in answers:
                s, _ = at.accept()
                with s:
                    s.recv(65536)
                    s.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        self.addCleanup(thread.join)
        return client.Client(f"http://127.0.0.1:{at.getsockname()[1]}", WRONG)

    def test_what_is_no_answer_is_no_yes(self):
        for bad in (
            b"",
            b"nonsense\r\n\r\n",
            b"HTTP/1.1 200 OK\r\n\r\n{}",
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
            b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{}",
            b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n{}",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n{}\r\n0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}}\r\n0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nX: " + b"x" * 40000 + b"\r\n\r\n",
        ):
            with self.subTest(bad[:60]):
                c = self.answers(bad, b"HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{\"asked\":\"two\"}")
                self.assertEqual(c.call("check", {}, 60).body, {"asked": "two"})
                c.close()

    def test_what_comes_after_an_answer_is_not_taken_for_the_next_one(self):
        good = b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n{\"asked\": %d}"
        c = self.answers(good % 1 + good % 7, good % 2)
        self.assertEqual([c.call("check", {}, 60).body["asked"] for _ in range(2)], [1, 2])
        c.close()

    def test_an_answer_may_come_in_pieces(self):
        c = self.answers(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;x=y\r\n{\r\n1\r\n}\r\n0\r\nX: y\r\n\r\n")
        self.assertEqual(c.call("check", {}, 60), (200, {}))
        c.close()

    def test_one_that_says_nothing_is_not_waited_for(self):
        at = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(at.close)
        c = client.Client(f"http://127.0.0.1:{at.getsockname()[1]}", WRONG)
        with self.assertLogs("oneseat", "ERROR"):
            for body in ({}, {"much": "x" * (32 << 20)}):  # what is sent is never read, either
                with self.subTest(len(body)), self.assertRaisesRegex(client.Away, "in time"):
                    c.call("check", body, 0.1)

    def test_one_that_says_a_little_now_and_then_is_not_waited_for(self):
        at = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(at.close)
        given_up = threading.Event()

        def drip():
            s, _ = at.accept()
            with s:
                while not given_up.wait(0.02):
                    s.sendall(b"x")

        thread = threading.Thread(target=drip)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(given_up.set)
        with self.assertLogs("oneseat", "ERROR"), self.assertRaisesRegex(client.Away, "in time"):
            client.Client(f"http://127.0.0.1:{at.getsockname()[1]}", WRONG).call("check", {}, 0.2)

    def test_under_gevent_one_that_says_nothing_holds_up_nobody_else(self):
        self.assertEqual(subprocess.check_output([sys.executable, "-c", UNDER_GEVENT], text=True).split(), ["meanwhile", "away"])

