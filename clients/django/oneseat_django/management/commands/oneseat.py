"""manage.py oneseat: the server beside the project."""

from __future__ import annotations

import argparse
import datetime
import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Optional

from django.core.management.base import BaseCommand, CommandError

from ... import beside

READY_WITHIN = 60  # seconds in which the server has to be up


def _date(text: str) -> datetime.date:
    try:
        return datetime.date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError("it is a day, such as 2031-03-01") from None


class Command(BaseCommand):
    help = "Serves oneseat beside the project, on its database, over a Unix socket."
    requires_system_checks: list[Any] = []  # the checks ask for what this starts

    def add_arguments(self, parser: Any) -> None:
        self._add_flags(parser)
        actions = parser.add_subparsers(dest="action")
        run = actions.add_parser("run", help="runs a command with the server: oneseat run [--limit N] -- COMMAND", called_from_command_line=parser.called_from_command_line)
        self._add_flags(run)
        run.add_argument("command", nargs="+", help="such as: gunicorn mysite.wsgi")

    def _add_flags(self, parser: Any) -> None:
        parser.add_argument("--store", help="where the server keeps its sessions, if not in the project's database")
        parser.add_argument("--limit", help="sessions that an account may have at a time (1)")
        parser.add_argument("--adopt-until", type=_date, metavar="YYYY-MM-DD", help="sessions that are older than oneseat go on without a new sign-in, if they are used before this day")
        parser.add_argument("--policy", help="what a sign-in beyond the limit meets: displace, refuse or ask")
        parser.add_argument("--sign-ins-per-minute", help="of one account (120); 0 is any number")

    def handle(self, *args: Any, **options: Any) -> None:
        line, environment = self._server(options)
        if options["action"] is None:
            os.execve(line[0], line, {**os.environ, **environment})
        status = _run(line, environment, options["command"])
        if status:
            sys.exit(status)

    def _server(self, options: dict[str, Any]) -> tuple[list[str], dict[str, str]]:
        """The command line of the server, and what is added to its environment."""
        program = beside.binary()
        if not program:
            raise CommandError('The program "oneseat" was not found. Build it with `go build ./cmd/oneseat`, and put it on PATH, or name it in ONESEAT["BINARY"].')
        try:
            store, environment = (options["store"], {}) if options["store"] else beside.store()
            folder = Path(beside.folder())
        except beside.NotPossible as why:
            raise CommandError(f"{str(why)[:1].upper()}{str(why)[1:]}.") from None
        keys = folder / "keys.toml"
        made = keys.with_suffix(f".{os.getpid()}")
        with open(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as f:
            f.write(beside.keys_file(options["adopt_until"]))
        os.replace(made, keys)
        # A line for each call would be one for each page, and the site has a log of its pages.
        line = [program, "serve", "--keys", str(keys), "--listen", beside.url(), "--store", store, "--log-level", "warn"]
        for name in ("limit", "policy", "sign-ins-per-minute"):
            value = options[name.replace("-", "_")]
            if value is not None:
                line += [f"--{name}", value]
        # Between two checks the server waits for the site. With one processor it is woken for
        # the next one by half as many system calls, and one is enough for many workers.
        return line, {"GOMAXPROCS": os.environ.get("GOMAXPROCS", "1"), **environment}


def _run(line: list[str], environment: dict[str, str], command: list[str]) -> int:
    """Runs the server, and the command once it is up. SIGTERM ends both, and so does the
    end of either. Returns the exit status of what ended first."""
    ended = _Signals()
    server = subprocess.Popen(line, env={**os.environ, **environment}, stdout=subprocess.PIPE, start_new_session=True)
    child: Optional[subprocess.Popen[bytes]] = None
    try:
        if not _is_up(server):
            return _end(server) or 1
        try:
            child = subprocess.Popen(command, start_new_session=True)
        except OSError as why:
            raise CommandError(f"{command[0]}: {why}") from None
        while True:
            for p in (child, server):
                status = p.poll()
                if status is not None:
                    if p is server:
                        print("oneseat ended, so the command is ended too", file=sys.stderr)
                    return _status(status) or (1 if p is server else 0)
            if ended.wait():
                child.terminate()
                return _status(child.wait())
    finally:
        # The command first: it still asks the server while it ends.
        if child is not None:
            _end(child)
        _end(server)
        ended.restore()


def _is_up(server: subprocess.Popen[bytes]) -> bool:
    """Waits for the line that the server prints when it listens."""
    assert server.stdout is not None
    ready, _, _ = select.select([server.stdout], [], [], READY_WITHIN)
    return bool(ready) and bool(server.stdout.readline())


def _end(p: subprocess.Popen[bytes]) -> int:
    if p.poll() is None:
        p.terminate()
    status = _status(p.wait())
    if p.stdout is not None:
        p.stdout.close()
    return status


def _status(code: int) -> int:
    """An exit status as a shell has it: 128 and the signal."""
    return code if code >= 0 else 128 - code


class _Signals:
    """Hears SIGTERM, SIGINT and SIGCHLD. wait waits for one of them. It returns True if it is
    time to end, and False at the end of a child."""

    def __init__(self) -> None:
        self._end = False
        self._read, write = os.pipe()
        os.set_blocking(write, False)
        self._write = write
        self._before_fd = signal.set_wakeup_fd(write)
        self._before = {s: signal.signal(s, self._hear) for s in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)}

    def _hear(self, number: int, _: Any) -> None:
        self._end = self._end or number != signal.SIGCHLD

    def wait(self) -> bool:
        if not self._end:
            os.read(self._read, 512)
        return self._end

    def restore(self) -> None:
        for s, before in self._before.items():
            signal.signal(s, before)
        signal.set_wakeup_fd(self._before_fd)
        os.close(self._read)
        os.close(self._write)
