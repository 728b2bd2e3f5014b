"""Answers that are sent piece by piece: they end when their session does."""

from __future__ import annotations

import errno
import time
from typing import Any, AsyncIterator, Iterator

from asgiref.sync import sync_to_async

from . import client, conf, seats


class SessionEnded(ConnectionResetError):
    """The session of a streaming answer has ended, so the transfer breaks off. A browser
    sees a broken transfer, and never a download that looks complete. To the server of the
    site it looks as if the browser had gone away, so that it writes no error into its log."""

    def __init__(self, text: str) -> None:
        super().__init__(errno.ECONNRESET, text)


class _Watch:
    """Asks at most every STREAM_CHECK seconds whether a seat is live. That is no activity
    of the visitor."""

    def __init__(self, seat: seats.Seat) -> None:
        self._seat = seat
        self._next = time.monotonic() + conf.current().stream_check

    def due(self) -> bool:
        return time.monotonic() >= self._next

    def look(self) -> None:
        c = conf.current()
        self._next = time.monotonic() + c.stream_check
        try:
            live = seats.check(self._seat, use=False).seat is not None
        except client.Away:
            live = c.when_down == "allow"
        if not live:
            raise SessionEnded(f"the session {self._seat.id} has ended, or oneseat does not answer")


def guard(response: Any, seat: seats.Seat) -> None:
    """Has a streaming answer break off when its seat ends."""
    pieces = response.streaming_content
    watch = _Watch(seat)
    response.streaming_content = _async(pieces, watch) if hasattr(pieces, "__aiter__") else _sync(pieces, watch)


def _sync(pieces: Any, watch: _Watch) -> Iterator[bytes]:
    for piece in pieces:
        if watch.due():
            watch.look()
        yield piece


async def _async(pieces: Any, watch: _Watch) -> AsyncIterator[bytes]:
    async for piece in pieces:
        if watch.due():
            await sync_to_async(watch.look, thread_sensitive=False)()
        yield piece
