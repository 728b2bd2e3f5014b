"""The site as `run` serves it, and browsers for it: real ones in what counts, which are
their cookies, and that tabs share them."""

from __future__ import annotations

import http.client
import http.cookies
import os
import re
import signal
import socket
import sqlite3
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from urllib.parse import urlencode

HERE = Path(__file__).resolve().parent.parent
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
SAFARI = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1"
PATIENCE = 120  # seconds, for what hangs


class Site:
    """Runs until stop is called."""

    def __init__(self, database: str = "sqlite", sessions: str = "db", seats: str = "oneseat") -> None:
        self.seats, self.sessions, self.database = seats, sessions, database
        self._folder = tempfile.TemporaryDirectory(prefix="club-")
        self.port = free_port()
        self._log = open(Path(self._folder.name, "log"), "wb")
        self._process = subprocess.Popen(
            [HERE / "run", "--port", str(self.port), "--database", database, "--sessions", sessions, "--seats", seats],
            env={**os.environ, "TMPDIR": self._folder.name, "SITE_QUICK_PASSWORDS": "1"},
            stdout=self._log, stderr=subprocess.STDOUT,
        )  # fmt: skip
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                if Browser(self).get("/accounts/login/").status == 200:
                    break
            except OSError:
                pass
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the site is not up: {self.log()}")
            time.sleep(0.05)
        (self.data,) = Path(self._folder.name).glob("djangosite-*")

    @property
    def pid(self) -> int:
        return self._process.pid

    def log(self) -> str:
        return Path(self._folder.name, "log").read_text()

    def end(self) -> int:
        """Ends it, and returns the exit status."""
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(PATIENCE)

    def stop(self) -> None:
        if self._process.poll() is None:
            self.end()
        self._log.close()
        self._folder.cleanup()

    def forget(self) -> None:
        """All is as if nobody had ever signed in."""
        self.lose_sessions()
        with sqlite3.connect(self.data / "site.sqlite3", timeout=PATIENCE) as db:
            db.execute("DELETE FROM tutorial_loggedinuser")
        db.close()

    def lose_sessions(self) -> None:
        """What Django has stored of all sessions vanishes."""
        if self.database == "sqlite":
            with sqlite3.connect(self.data / "site.sqlite3", timeout=PATIENCE) as db:
                db.execute("DELETE FROM django_session")
            db.close()
        else:
            import psycopg2

            db = psycopg2.connect(self.database)
            with db, db.cursor() as c:
                c.execute("DELETE FROM django_session")
            db.close()
        for folder in ("sessions", "cache"):
            for file in (self.data / folder).rglob("*"):
                if file.is_file():
                    file.unlink()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as s:
        return int(s.getsockname()[1])


class Answer:
    def __init__(self, answer: http.client.HTTPResponse, read: bool = True) -> None:
        self.status = answer.status
        self.headers = answer.headers
        self.text = answer.read().decode() if read else ""

    @property
    def account(self) -> str:
        """Whose members' page it is; "" if it is none."""
        found = re.search(r'<meta name="account" content="(.*?)">', self.text) if self.status == 200 else None
        return found[1] if found else ""


class Browser:
    """A browser. Threads that use it are its tabs."""

    def __init__(self, site: Site, agent: str = FIREFOX) -> None:
        self.site, self.agent = site, agent
        self.jar: dict[str, str] = {}
        self._lock = threading.Lock()  # of the jar
        self._tab = threading.local()

    def ask(self, method: str, path: str, body: str = "", headers: dict[str, str] = {}) -> http.client.HTTPResponse:
        """Sends a request, and takes the cookies of the answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.site.port, timeout=PATIENCE)
        self._tab.connection = connection
        with self._lock:
            cookies = "; ".join(f"{k}={v}" for k, v in self.jar.items())
        kind = {"Content-Type": "application/x-www-form-urlencoded"} if body else {}
        connection.request(method, path, body or None, {"User-Agent": self.agent, "Cookie": cookies, "Connection": "close", **kind, **headers})
        answer = connection.getresponse()
        with self._lock:
            for line in answer.headers.get_all("Set-Cookie", []):
                for name, cookie in http.cookies.SimpleCookie(line).items():
                    if cookie["max-age"] == "0" or cookie["max-age"] == 0 or not cookie.value:
                        self.jar.pop(name, None)
                    else:
                        self.jar[name] = cookie.value
        return answer

    def close(self) -> None:
        """Closes the connection of this tab."""
        self._tab.connection.close()

    def get(self, path: str) -> Answer:
        try:
            return Answer(self.ask("GET", path))
        finally:
            self.close()

    def post(self, path: str, **form: str) -> Answer:
        """Sends a form, with the token that the page before it set."""
        try:
            return Answer(self.ask("POST", path, urlencode({"csrfmiddlewaretoken": self.jar.get("csrftoken", ""), **form})))
        finally:
            self.close()

    def sign_in(self, account: str, password: str = "") -> Answer:
        self.get("/accounts/login/")
        return self.post("/accounts/login/", username=account, password=password or account)

    def account(self) -> str:
        """As whom the browser is signed in."""
        return self.get("/").account


def at_once(*functions) -> list:
    """Runs functions on threads that begin at the same time, and returns what they
    return."""
    barrier = threading.Barrier(len(functions))
    results: list = [None] * len(functions)

    def run(i, f):
        barrier.wait(PATIENCE)
        try:
            results[i] = f()
        except Exception as why:
            results[i] = why

    threads = [threading.Thread(target=run, args=(i, f)) for i, f in enumerate(functions)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return results
