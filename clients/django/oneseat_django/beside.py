"""The server beside the project: where its program, socket, key and store are. Both sides
work these out from the settings, so there is nothing to agree on. Starts nothing."""

from __future__ import annotations

import base64
import datetime
import hashlib
import hmac
import os
import shutil
import stat
import sys
import tempfile
import zlib
from pathlib import Path
from typing import Any, Optional

from django.conf import settings
from django.db import connections


class NotPossible(Exception):
    """The server cannot run beside the project as the settings are. The text says why,
    and what to do."""


def key(secret: Any = None) -> str:
    """The key of the API that belongs to a secret; by default to SECRET_KEY."""
    secret = settings.SECRET_KEY if secret is None else secret
    if isinstance(secret, str):
        secret = secret.encode()
    name = base64.b32encode(hmac.digest(secret, b"oneseat key id", "sha256")[:5]).decode().lower()
    body = base64.urlsafe_b64encode(hmac.digest(secret, b"oneseat key", "sha256")).decode().rstrip("=")
    text = f"oneseat_key_{name}_{body}"
    return f"{text}_{zlib.crc32(text.encode()):08x}"


def keys_file(adopt_until: Optional[datetime.date] = None) -> str:
    """The text of the server's file of keys. It has the hashes of the keys that belong to
    SECRET_KEY and to SECRET_KEY_FALLBACKS, so that processes with an old secret go on. It
    also says until when sessions that are older than oneseat get a seat."""
    secrets = [settings.SECRET_KEY, *getattr(settings, "SECRET_KEY_FALLBACKS", ())]
    entries = []
    for k in dict.fromkeys(key(s) for s in secrets):
        name, sha = k.split("_")[2], hashlib.sha256(k.encode()).hexdigest()
        entries.append(f'[[key]]\nid = "{name}"\nsha256 = "{sha}"\nrealm = "default"\nscopes = ["check", "sessions"]\n')
    if adopt_until is not None:
        entries.append(f"[realm.default]\nadopt_until = {adopt_until.isoformat()}T00:00:00Z\n")
    return "\n".join(entries)


def folder() -> str:
    """The folder of the socket, which is of this user alone. Raises NotPossible if the
    folder is of another user, who could be waiting for the key there."""
    parent = os.environ.get("RUNTIME_DIRECTORY", "").split(":")[0] or os.environ.get("XDG_RUNTIME_DIR", "")
    if not parent or not os.access(parent, os.W_OK):
        parent = tempfile.gettempdir()
    path = os.path.join(parent, f"oneseat-{os.getuid()}-{_project()}")
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        pass
    found = os.lstat(path)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise NotPossible(f"{path} is not a folder of this user alone: remove it, or set RUNTIME_DIRECTORY to a folder that is")
    return path


def url() -> str:
    return f"unix:{folder()}/api.sock"


def _project() -> str:
    """A short name of the project, by its place: the path of a socket has to be short."""
    place = getattr(settings, "BASE_DIR", None)
    if place is None:
        module = sys.modules.get(getattr(settings, "SETTINGS_MODULE", None) or "")
        place = os.path.dirname(getattr(module, "__file__", None) or os.getcwd())
    return hashlib.sha256(os.path.realpath(place).encode()).hexdigest()[:12]


def binary() -> str:
    """The path of the program, or "": what ONESEAT["BINARY"] says, else beside this
    Python, else on PATH."""
    named = (getattr(settings, "ONESEAT", None) or {}).get("BINARY")
    if named:
        return str(named) if os.access(named, os.X_OK) else ""
    return shutil.which("oneseat", path=os.path.dirname(sys.executable)) or shutil.which("oneseat") or ""


# By libpq's variables nothing has to be quoted, and no password stands in a list of
# processes.
_PG = {
    "HOST": "PGHOST", "PORT": "PGPORT", "NAME": "PGDATABASE", "USER": "PGUSER", "PASSWORD": "PGPASSWORD",
    "sslmode": "PGSSLMODE", "sslrootcert": "PGSSLROOTCERT", "sslcert": "PGSSLCERT", "sslkey": "PGSSLKEY",
    "service": "PGSERVICE", "passfile": "PGPASSFILE", "options": "PGOPTIONS",
}  # fmt: skip


def store() -> tuple[str, dict[str, str]]:
    """What --store says, and the environment that goes with it: the project's own
    PostgreSQL, or a file beside its SQLite. Raises NotPossible for other databases."""
    connection = connections["default"]
    said = connection.settings_dict
    if connection.vendor == "postgresql":
        given = {**said, **said.get("OPTIONS", {})}
        return "postgres://", {to: str(given[name]) for name, to in _PG.items() if given.get(name)}
    if connection.vendor == "sqlite":
        name = str(said["NAME"])
        if ":memory:" in name or name.startswith("file:"):
            raise NotPossible("the project's database is in memory: name another place with --store")
        return f"sqlite:{Path(name).resolve().parent / 'oneseat.db'}", {}
    raise NotPossible(f"oneseat cannot keep its sessions in {connection.display_name}: name another place with --store, such as sqlite:/var/lib/oneseat/oneseat.db")
