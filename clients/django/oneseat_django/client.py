"""How the server is asked: HTTP/1.1 over a Unix socket or TCP, over connections that are
kept. Knows no Django, and no call of the API."""

from __future__ import annotations

import collections
import json
import logging
import os
import secrets
import socket
import ssl
import struct
import sys
import threading
import time
from typing import Any, NamedTuple
from urllib.parse import urlsplit

log = logging.getLogger("oneseat")

KEPT = 32  # connections of a process that wait for the next call; more are closed
HEAD = 32 << 10  # bytes of an answer's head, at most
BODY = 8 << 20  # bytes of an answer's body, at most
BREAK_AFTER = 3  # failures in a row, after which calls fail at once
BREAK_FOR = 1.0  # seconds, after which one call tries again


class Away(Exception):
    """The server gave no answer, so the answer is no. Nothing is known of a session."""


class KeyRefused(Away):
    """The server does not know the key, or the key does not allow the call."""


class Answer(NamedTuple):
    status: int
    body: dict[str, Any]


class _Broken(OSError):
    """What came over a connection is no answer."""


def address(url: str) -> tuple[str, str, int]:
    """Returns the kind of a URL (unix, http, https), and the path of the socket, or host
    and port. Raises ValueError if it is none of these."""
    if url.startswith("unix:"):
        path = url[len("unix:") :]
        if not path.startswith("/"):
            raise ValueError("after unix: stands the whole path of a socket, from / on")
        if len(os.fsencode(path)) > 107:
            raise ValueError("the path of a socket has at most 107 bytes")
        return "unix", path, 0
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("write unix:/path/of/the/socket, http://host:port or https://host:port")
    if parts.path.rstrip("/") or parts.query or parts.fragment or parts.username is not None:
        raise ValueError("after host and port there may be nothing")
    return parts.scheme, parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)


def attempt() -> str:
    """Returns a new Idempotency-Key: a call that is repeated with it is done once."""
    return f"{time.time_ns() // 10**6}-{secrets.token_urlsafe(18)}"


class Client:
    """Asks one server. Safe for threads and forks: a process keeps connections of its
    own. Each call on the API can be repeated, so a call that gets no answer is made again
    until its time is over: a server that restarts loses no request."""

    def __init__(self, url: str, key: str) -> None:
        self._kind, self._host, self._port = address(url)
        name = "oneseat" if self._kind == "unix" else f"{self._host}:{self._port}"
        if ":" in self._host and self._kind != "unix":
            name = f"[{self._host}]:{self._port}"
        self._headers = (
            f"Host: {name}\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n"
        )
        self._tls = ssl.create_default_context() if self._kind == "https" else None
        self._pid = 0
        self._kept: collections.deque[_Connection] = collections.deque()
        self._lock = threading.Lock()  # of the three that follow
        self._failures = 0  # in a row
        self._closed_until = 0.0
        self._away = False

    def call(self, name: str, body: dict[str, Any], within: float, attempt: str = "") -> Answer:
        """Makes the call /v1/<name>, and returns the answer. within is in seconds, for
        everything. Raises Away without an answer, and for one that is about the key, about
        too many calls, or about a fault of the server."""
        deadline = time.monotonic() + within
        if not self._may_try(within):
            raise Away("the server does not answer, and was asked a moment ago")
        data = json.dumps(body).encode()
        once = f"Idempotency-Key: {attempt}\r\n" if attempt else ""
        head = f"POST /v1/{name} HTTP/1.1\r\n{self._headers}{once}Content-Length: {len(data)}\r\n\r\n"
        try:
            answer = self._ask(head.encode("latin-1") + data, deadline)
        except Away as away:
            self._failed(away)
            raise
        self._succeeded()
        if answer.status in (401, 403):
            log.error("the key of oneseat is refused: %s", answer.body.get("detail", ""))
            raise KeyRefused(f"{answer.body.get('title')}: {answer.body.get('detail')}")
        if answer.status == 429:
            raise Away("the server has been asked too often")
        if answer.status >= 500:
            raise Away(f"the server has a fault: {answer.body.get('title')}")
        return answer

    def close(self) -> None:
        """Closes the connections that wait. The client can be used again."""
        while self._kept:
            self._kept.pop().close()

    def _ask(self, request: bytes, deadline: float) -> Answer:
        pause = 0.01
        while True:
            connection = self._take()
            kept = connection is not None
            try:
                if connection is None:
                    connection = self._connect(deadline)
                answer = connection.exchange(request, deadline)
            except OSError as why:
                if connection is not None:
                    connection.close()
                if isinstance(why, (socket.timeout, BlockingIOError)):
                    raise Away("the server did not answer in time") from why
                if kept:  # the server closed it meanwhile
                    continue
                problem: Away = Away(f"the server cannot be reached: {why}")
                problem.__cause__ = why
            else:
                if connection.again and len(self._kept) < KEPT:
                    self._kept.append(connection)
                else:
                    connection.close()
                if answer.status != 503:
                    return answer
                problem = Away(f"{answer.body.get('title')}: {answer.body.get('detail')}")
            if deadline - time.monotonic() <= pause:
                raise problem
            time.sleep(pause)
            pause = min(2 * pause, 0.2)

    def _take(self) -> _Connection | None:
        if self._pid != os.getpid():  # the connections of the parent are not ours
            self._pid, self._kept = os.getpid(), collections.deque()
        try:
            return self._kept.pop()
        except IndexError:
            return None

    def _connect(self, deadline: float) -> _Connection:
        left = max(deadline - time.monotonic(), 0.001)
        if self._kind == "unix":
            s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                s.settimeout(left)
                s.connect(self._host)
            except BaseException:
                s.close()
                raise
            return _Connection(s)
        s = socket.create_connection((self._host, self._port), left)
        try:
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is not None:
                s = self._tls.wrap_socket(s, server_hostname=self._host)
        except BaseException:
            s.close()
            raise
        return _Connection(s)

    # A server that hangs must not hold all workers: after some failures in a row calls
    # fail at once, and one in a while tries.

    def _may_try(self, within: float) -> bool:
        if self._failures < BREAK_AFTER:
            return True
        with self._lock:
            now = time.monotonic()
            if now < self._closed_until:
                return False
            self._closed_until = now + within + BREAK_FOR
            return True

    def _failed(self, why: Away) -> None:
        with self._lock:
            self._failures += 1
            if self._failures >= BREAK_AFTER:
                self._closed_until = time.monotonic() + BREAK_FOR
            first, self._away = not self._away, True
        if first:
            log.error("oneseat does not answer, so nobody is let in until it does: %s", why)

    def _succeeded(self) -> None:
        if not self._failures and not self._away:
            return
        with self._lock:
            self._failures = 0
            back, self._away = self._away, False
        if back:
            log.warning("oneseat answers again")


class _Connection:
    """One connection. again: whether it may be used for another call."""

    def __init__(self, s: socket.socket) -> None:
        self._socket = s
        # With a timeout of Python's, send and recv let other threads of the process run
        # three times each, and come back when one of these has had its turn. With one of
        # the kernel's it is once. Sockets of TLS and of gevent know Python's only.
        self._kernel = sys.platform == "linux" and type(s).__module__ == "socket"
        if self._kernel:
            s.settimeout(None)
        self._left = b""  # what was read and not used
        self.again = True

    def close(self) -> None:
        self._socket.close()

    def exchange(self, request: bytes, deadline: float) -> Answer:
        self._time(deadline, socket.SO_SNDTIMEO)
        self._socket.sendall(request)
        while b"\r\n\r\n" not in self._left:
            if len(self._left) > HEAD:
                raise _Broken("the head of the answer is too long")
            self._read(deadline)
        head, _, self._left = self._left.partition(b"\r\n\r\n")
        first, _, rest = head.partition(b"\r\n")
        if not first.startswith(b"HTTP/1.") or not first[9:12].isdigit():
            raise _Broken("this is no HTTP")
        length, chunked = None, False
        for line in rest.lower().split(b"\r\n"):
            name, _, value = line.partition(b":")
            value = value.strip()
            if name == b"content-length" and value.isdigit():
                length = int(value)
            elif name == b"transfer-encoding":
                chunked = value == b"chunked"
            elif name == b"connection" and value == b"close":
                self.again = False
        if chunked:
            body = self._chunks(deadline)
        elif length is not None and length <= BODY:
            body = self._bytes(length, deadline)
        else:
            raise _Broken("the answer does not say how long it is, or is too long")
        if self._left:
            self.again = False
        try:
            said = json.loads(body) if body else {}
        except ValueError:
            said = None
        if not isinstance(said, dict):
            raise _Broken("this is no answer of oneseat")
        return Answer(int(first[9:12]), said)

    def _time(self, deadline: float, option: int) -> None:
        left = deadline - time.monotonic()
        if left <= 0:
            raise socket.timeout("timed out")
        if not self._kernel:
            self._socket.settimeout(left)
            return
        seconds, rest = divmod(left, 1)  # 0 and 0 would be no timeout
        self._socket.setsockopt(socket.SOL_SOCKET, option, struct.pack("@ll", int(seconds), int(rest * 1e6) or 1))

    def _read(self, deadline: float) -> None:
        self._time(deadline, socket.SO_RCVTIMEO)
        more = self._socket.recv(65536)
        if not more:
            raise _Broken("the connection was closed")
        self._left += more

    def _bytes(self, n: int, deadline: float) -> bytes:
        while len(self._left) < n:
            self._read(deadline)
        data, self._left = self._left[:n], self._left[n:]
        return data

    def _line(self, deadline: float) -> bytes:
        while b"\r\n" not in self._left:
            if len(self._left) > HEAD:
                raise _Broken("a line of the answer is too long")
            self._read(deadline)
        line, _, self._left = self._left.partition(b"\r\n")
        return line

    def _chunks(self, deadline: float) -> bytes:
        body = b""
        while True:
            try:
                n = int(self._line(deadline).partition(b";")[0], 16)
            except ValueError:
                raise _Broken("a part of the answer does not say how long it is") from None
            if n < 0 or len(body) + n > BODY:
                raise _Broken("the answer is too long")
            if n == 0:
                while self._line(deadline):
                    pass
                return body
            body += self._bytes(n, deadline)
            if self._line(deadline):
                raise _Broken("a part of the answer is longer than it says")
