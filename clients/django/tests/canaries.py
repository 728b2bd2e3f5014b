"""Finds secrets of oneseat where none may be: in what is logged, in answers to browsers and
in the log of the server. The suite fails if any was found."""

from __future__ import annotations

import logging
import re
from typing import Any

SPELT = re.compile(r"oneseat_key_[a-z0-9]{8}_[\w-]{43}_[0-9a-f]{8}|oneseat_(?:ticket_)?[\w-]{70}")

found: list[str] = []


def seen(where: str, text: str) -> None:
    at = SPELT.search(text)
    if at:
        found.append(f"a secret is in the {where}: {text[max(0, at.start() - 200) : at.end() + 100]}")


def look_at_logs() -> None:
    """Looks at every log record of the process, whichever handler takes it."""
    make = logging.getLogRecordFactory()

    def factory(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = make(*args, **kwargs)
        seen("log", f"{record.getMessage()} {record.exc_info[1] if record.exc_info else ''}")
        return record

    logging.setLogRecordFactory(factory)


def look_at_answer(response: Any) -> None:
    """Cookies are not looked at: a session may be in one."""
    for name, value in response.items():
        seen(f"header {name}", value)
    if not response.streaming:
        seen("page", response.content.decode(errors="replace"))
