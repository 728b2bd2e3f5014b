"""What the tutorial's readers complain of, on the same site: with the tutorial's app each
is seen to go wrong, and with oneseat none is.

ROUNDS says how often each race is tried (3). MATRIX=full takes all session backends
on both databases; else PostgreSQL has one."""

from __future__ import annotations

import os
import subprocess
import unittest

from .complaints import ALL
from .postgres import Postgres
from .site import HERE, Site

ROUNDS = int(os.environ.get("ROUNDS", "3"))
BACKENDS = ("db", "cached_db", "cache", "file", "signed_cookies")


class Complaints(unittest.TestCase):
    def play(self, **kind: str) -> dict[str, list[str]]:
        site = Site(**kind)
        self.addCleanup(site.stop)
        wrong = {name: play(site, ROUNDS) for name, play in ALL.items()}
        self.assertEqual(site.log(), "")
        return wrong

    def test_each_goes_wrong_with_the_tutorials_app(self) -> None:
        site = Site(seats="tutorial")
        self.addCleanup(site.stop)
        for name, play in ALL.items():
            with self.subTest(name):
                for _ in range(100):  # some are races, which the tutorial's app sometimes wins
                    site.forget()
                    wrong = play(site, 1)
                    if wrong:
                        break
                self.assertNotEqual(wrong, [])
                # What went wrong is what a reader saw, and not a failure of the test.
                self.assertFalse([w for w in wrong if w.startswith("AssertionError")])

    def test_none_goes_wrong_on_sqlite(self) -> None:
        for sessions in BACKENDS:
            with self.subTest(sessions):
                self.assertEqual({n: w for n, w in self.play(sessions=sessions).items() if w}, {})

    def test_none_goes_wrong_on_postgresql(self) -> None:
        postgres = Postgres()
        self.addCleanup(postgres.stop)
        for sessions in BACKENDS if os.environ.get("MATRIX") == "full" else BACKENDS[:1]:
            with self.subTest(sessions):
                self.assertEqual({n: w for n, w in self.play(sessions=sessions, database=postgres.database()).items() if w}, {})


class Run(unittest.TestCase):
    def test_sigterm_ends_all_and_leaves_nothing(self) -> None:
        site = Site()
        self.addCleanup(site.stop)
        folder = site.data
        self.assertEqual(site.end(), 0)
        self.assertFalse(folder.exists())

    def test_what_makes_no_sense_is_refused(self) -> None:
        for args, want in ((["--port", "x"], "name the port"), ([], "name the port"), (["--port", "1", "--sessions", "paper"], "none of Django's"), (["--x", "y"], "no option")):
            done = subprocess.run([HERE / "run", *args], capture_output=True, text=True)
            self.assertEqual(done.returncode, 2)
            self.assertIn(want, done.stderr)
