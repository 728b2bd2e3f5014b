"""manage.py oneseat: the server beside the project."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from unittest import mock

from django.core.exceptions import ImproperlyConfigured
from django.test import SimpleTestCase, override_settings

from oneseat_django import beside, client, conf

from .served import BINARY
from .test_settings import said

ASKS = "import django; django.setup(); from oneseat_django import conf; print(conf.current().client.call('sessions', {'account': 'ada'}, 60).status, flush=True)"


class Folder(SimpleTestCase):
    """A project in a folder of its own."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.environment = {
            **os.environ, "ONESEAT_FOLDER": self.folder, "RUNTIME_DIRECTORY": self.folder,
            "DJANGO_SETTINGS_MODULE": "tests.beside_settings",
        }  # fmt: skip

    def manage(self, *args, **more):
        line = [sys.executable, "-m", "django", "oneseat", *args]
        return subprocess.Popen(line, env={**self.environment, **more}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def ends(self, process):
        out, err = process.communicate(timeout=120)
        return process.returncode, out, err


class Run(Folder):
    def test_a_command_runs_with_the_server_and_its_exit_status_is_passed_on(self):
        code, out, err = self.ends(self.manage("run", "--limit", "2", "--", sys.executable, "-c", ASKS + "; exit(7)"))
        self.assertEqual((code, out), (7, "200\n"), err)
        self.assertGreater(Path(self.folder, "oneseat.db").stat().st_size, 0)
        # Nothing listens any more.
        self.assertEqual([str(p) for p in Path(self.folder).rglob("*.sock")], [])

    def test_what_stands_on_the_line_reaches_the_server(self):
        asks = ASKS.replace("'sessions', {'account': 'ada'}", "'about', {}").replace(".status", ".body")
        code, out, err = self.ends(self.manage("run", "--limit", "3", "--policy", "ask", "--adopt-until", "2031-03-01", "--", sys.executable, "-c", asks))
        self.assertEqual(code, 0, err)
        for want in ("'limit': 3", "'when_full': 'ask'", "'adopt_until': '2031-03-01T00:00:00Z'"):
            self.assertIn(want, out)

    def test_sigterm_ends_both(self):
        code = ASKS + "; import signal, sys; signal.signal(signal.SIGTERM, lambda *a: (" + ASKS.rpartition("; ")[2] + ", sys.exit(3))); print('up', flush=True); signal.pause()"
        process = self.manage("run", "--", sys.executable, "-c", code)
        self.assertEqual([process.stdout.readline() for _ in range(2)], ["200\n", "up\n"])
        process.send_signal(signal.SIGTERM)
        # The command still asks the server while it ends.
        self.assertEqual(self.ends(process)[:2], (3, "200\n"))

    def test_the_end_of_the_server_ends_the_command(self):
        process = self.manage("run", "--", sys.executable, "-c", "import os, signal; print(os.getppid(), flush=True); signal.pause()")
        parent = int(process.stdout.readline())
        (server,) = (int(p) for p in Path(f"/proc/{parent}/task/{parent}/children").read_text().split() if Path(f"/proc/{p}/exe").resolve() == Path(BINARY).resolve())
        os.kill(server, signal.SIGKILL)
        code, _, err = self.ends(process)
        self.assertEqual(code, 128 + signal.SIGKILL)
        self.assertIn("so the command is ended too", err)

    def test_what_cannot_run_says_why(self):
        for args, more, want in (
            (("run", "--", "no-such-program"), {}, "no-such-program"),
            (("run", "--policy", "kick", "--", "true"), {}, "--policy"),
            (("run", "--sign-ins-per-minute", "-1", "--", "true"), {}, "--sign-ins-per-minute"),
            (("run", "--adopt-until", "soon", "--", "true"), {}, "--adopt-until"),
            (("run", "--store", "nowhere", "--", "true"), {}, "--store"),
            (("run", "--", "true"), {"ONESEAT_BINARY": "/nowhere/oneseat"}, "was not found"),
        ):
            with self.subTest(args):
                code, out, err = self.ends(self.manage(*args, **more))
                self.assertNotIn(code, (0, None))
                self.assertIn(want, err)
                self.assertNotIn("Traceback", err)

    def test_the_server_alone_is_the_process_itself(self):
        process = self.manage()
        self.assertRegex(process.stdout.readline(), "^unix:/")
        self.assertEqual(Path(f"/proc/{process.pid}/exe").resolve(), Path(BINARY).resolve())
        line = Path(f"/proc/{process.pid}/cmdline").read_text()
        for secret in ("oneseat_key_", "only for tests"):
            self.assertNotIn(secret, line)
        process.terminate()
        self.assertEqual(self.ends(process)[0], 0)


class Keys(Folder):
    def test_a_key_of_before_goes_on_while_secret_key_is_replaced(self):
        old = beside.key("the old one")
        with override_settings(SECRET_KEY=b"the new one", SECRET_KEY_FALLBACKS=["the old one"]):
            new = beside.key()
            file = Path(self.folder, "keys.toml")
            file.write_text(beside.keys_file())
        self.assertNotEqual(old, new)
        self.assertNotIn(new.split("_")[3], file.read_text())
        at = f"unix:{self.folder}/s"
        server = subprocess.Popen([BINARY, "serve", "--keys", str(file), "--listen", at, "--store", "memory:"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.addCleanup(server.stdout.close)
        self.addCleanup(server.wait)
        self.addCleanup(server.terminate)
        server.stdout.readline()
        for key in (old, new):
            c = client.Client(at, key)
            self.assertEqual(c.call("about", {}, 60).body["scopes"], ["check", "sessions"])
            c.close()
        with self.assertLogs("oneseat", "ERROR"), self.assertRaises(client.KeyRefused):
            client.Client(at, beside.key("another")).call("about", {}, 60)

    def test_a_folder_that_others_may_enter_is_not_used(self):
        with mock.patch.dict(os.environ, {"RUNTIME_DIRECTORY": self.folder}), override_settings(ONESEAT={}):
            conf.current()
            (made,) = Path(self.folder).iterdir()
            made.chmod(0o755)
            conf.current.cache_clear()
            with self.assertRaisesRegex(ImproperlyConfigured, "this user alone"):
                conf.current()
            made.rmdir()
            made.symlink_to(self.folder)
            with self.assertRaisesRegex(ImproperlyConfigured, "this user alone"):
                conf.current()
        conf.current.cache_clear()

    def test_checks_say_what_is_missing(self):
        with override_settings(ONESEAT={"BINARY": "/nowhere/oneseat"}):
            self.assertRegex(said()[0], "E006.*PATH")
        with override_settings(ONESEAT={"BINARY": BINARY}):
            self.assertEqual(said(), [])
        with override_settings(ONESEAT={"BINARY": BINARY, "NODES": 3}):
            self.assertRegex(said()[0], "E007.*PostgreSQL")


class Stores(SimpleTestCase):
    def store(self, vendor, **said):
        class Connection:
            settings_dict = {"NAME": "club", "USER": "", "PASSWORD": "", "HOST": "", "PORT": "", **said}
            display_name = "MySQL"

        Connection.vendor = vendor
        with mock.patch.object(beside, "connections", {"default": Connection}):
            return beside.store()

    def test_postgresql_is_the_projects_own(self):
        line, environment = self.store(
            "postgresql", USER="ada", PASSWORD="p@ss:/?#&%' \"x", HOST="/var/run/postgresql", PORT=5433,
            OPTIONS={"sslmode": "verify-full", "sslrootcert": "/ca.pem", "options": "-c search_path=club"},
        )  # fmt: skip
        self.assertEqual(line, "postgres://")
        self.assertEqual(
            environment,
            {"PGDATABASE": "club", "PGUSER": "ada", "PGPASSWORD": "p@ss:/?#&%' \"x", "PGHOST": "/var/run/postgresql", "PGPORT": "5433",
             "PGSSLMODE": "verify-full", "PGSSLROOTCERT": "/ca.pem", "PGOPTIONS": "-c search_path=club"},
        )  # fmt: skip
        self.assertEqual(self.store("postgresql", NAME="", OPTIONS={"service": "club"})[1], {"PGSERVICE": "club"})

    def test_sqlite_has_a_file_beside_it(self):
        self.assertEqual(self.store("sqlite", NAME=Path("/srv/club/db.sqlite3")), ("sqlite:/srv/club/oneseat.db", {}))

    def test_other_databases_are_refused_and_never_replaced_silently(self):
        for vendor, name in (("mysql", "club"), ("sqlite", ":memory:"), ("sqlite", "file:memorydb?mode=memory")):
            with self.assertRaisesRegex(beside.NotPossible, "--store"):
                self.store(vendor, NAME=name)
