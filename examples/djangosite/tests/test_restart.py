"""The site and the server as two services, of which the server is restarted.

PAGES says how many pages are asked for meanwhile (1500). TIMEOUT is that of the settings,
in seconds (60): on a busy machine a restart may take longer than the usual 1.5."""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
import time
import unittest
from pathlib import Path

from .site import HERE, PATIENCE, Browser, free_port

PAGES = int(os.environ.get("PAGES", "1500"))
TIMEOUT = os.environ.get("TIMEOUT", "60")
PYTHON = os.environ.get("PYTHON", "/usr/bin/python3")


class Apart:
    """A site under gunicorn, and `manage.py oneseat`, which may be restarted."""

    def __init__(self, folder: str) -> None:
        self.port = free_port()
        self._server: subprocess.Popen | None = None
        self._environment = {**os.environ, "SITE_DATA": folder, "RUNTIME_DIRECTORY": folder, "SITE_QUICK_PASSWORDS": "1", "SITE_TIMEOUT": TIMEOUT, "PYTHONPATH": f"{HERE}:{HERE.parent.parent / 'clients/django'}"}
        for line in (["migrate", "--verbosity", "0"], ["accounts"]):
            subprocess.check_call([PYTHON, "manage.py", *line], cwd=HERE, env=self._environment)
        self._log = open(Path(folder, "log"), "wb")
        self.restart()
        self._site = self._start("-m", "gunicorn", "--workers", "2", "--threads", "4", "--bind", f"127.0.0.1:{self.port}", "--log-level", "warning", "club.wsgi")

    def restart(self) -> None:
        """Ends the server and starts it again, at once."""
        if self._server is not None:
            self._end(self._server)
        self._server = self._start("manage.py", "oneseat", "--sign-ins-per-minute", "0")

    def log(self) -> str:
        return Path(self._log.name).read_text()

    def stop(self) -> None:
        self._end(self._site)
        self._end(self._server)
        self._log.close()

    def _start(self, *line: str) -> subprocess.Popen:
        return subprocess.Popen([PYTHON, *line], cwd=HERE, env=self._environment, stdout=self._log, stderr=subprocess.STDOUT)

    def _end(self, process: subprocess.Popen) -> None:
        process.terminate()
        process.wait(PATIENCE)


class Restarting(unittest.TestCase):
    def test_a_server_that_restarts_under_load_loses_no_page(self) -> None:
        folder = self.enter(tempfile.TemporaryDirectory(prefix="apart-"))
        site = Apart(folder)
        self.addCleanup(site.stop)
        browser = Browser(site)
        deadline = time.monotonic() + PATIENCE
        while browser.jar.get("sessionid") is None and time.monotonic() < deadline:
            try:
                browser.sign_in("ada")
            except OSError:
                time.sleep(0.05)
        answers: list[str] = []

        def ask() -> None:
            while len(answers) < PAGES:
                page = browser.get("/")
                answers.append(page.account or f"{page.status} {page.text[:200]}")

        tabs = [threading.Thread(target=ask) for _ in range(6)]
        for t in tabs:
            t.start()
        restarts = 0
        while any(t.is_alive() for t in tabs):
            before = len(answers)
            while len(answers) < before + PAGES // 8 and any(t.is_alive() for t in tabs):
                time.sleep(0.01)
            site.restart()
            restarts += 1
        for t in tabs:
            t.join()
        self.assertEqual([a for a in answers if a != "ada"], [], site.log())
        self.assertGreater(restarts, 1)
        if "PAGES" in os.environ:
            print(f"{len(answers)} pages, {restarts} restarts of the server")

    def enter(self, context):  # enterContext, before Python 3.11
        self.addCleanup(context.__exit__, None, None, None)
        return context.__enter__()


if __name__ == "__main__":
    unittest.main()
