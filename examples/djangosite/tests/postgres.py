"""A PostgreSQL of its own for a test."""

from __future__ import annotations

import glob
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path


class Postgres:
    """Runs until stop is called."""

    def __init__(self) -> None:
        found = sorted(glob.glob("/usr/lib/postgresql/*/bin/postgres"))
        program = found[-1] if found else shutil.which("postgres")
        if program is None:
            raise RuntimeError("this test runs PostgreSQL: scripts/prepare installs it where it may")
        self._folder = tempfile.mkdtemp(prefix="pg-")
        # It refuses to run as root.
        user = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.getuid() == 0 else {}
        if user:
            owner = pwd.getpwnam("postgres")
            os.chown(self._folder, owner.pw_uid, owner.pw_gid)
        data = f"{self._folder}/data"
        made = subprocess.run(
            [Path(program).parent / "initdb", "-D", data, "-U", "club", "--auth=trust", "--no-sync", "-E", "UTF8"],
            cwd=self._folder, capture_output=True, text=True, **user,
        )  # fmt: skip
        if made.returncode:
            raise RuntimeError(made.stderr)
        with socket.create_server(("127.0.0.1", 0)) as s:
            self._port = s.getsockname()[1]
        self._process = subprocess.Popen(
            [program, "-D", data, "-p", str(self._port), "-h", "127.0.0.1", "-k", self._folder, "-c", "max_connections=200"],
            cwd=self._folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **user,
        )  # fmt: skip
        self._databases = 0
        deadline = time.monotonic() + 120
        while not self._try("SELECT 1"):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("PostgreSQL is not up")
            time.sleep(0.05)

    def database(self) -> str:
        """Makes a database, and returns its URL."""
        self._databases += 1
        name = f"club{self._databases}"
        if not self._try(f"CREATE DATABASE {name}"):
            raise RuntimeError(f"no database {name}")
        return f"postgres://club@127.0.0.1:{self._port}/{name}"

    def _try(self, statement: str) -> bool:
        import psycopg2

        try:
            db = psycopg2.connect(host="127.0.0.1", port=self._port, user="club", dbname="postgres")
        except psycopg2.OperationalError:
            return False
        db.autocommit = True
        with db.cursor() as c:
            c.execute(statement)
        db.close()
        return True

    def stop(self) -> None:
        self._process.send_signal(2)
        self._process.wait(120)
        shutil.rmtree(self._folder)
