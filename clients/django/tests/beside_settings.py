"""A project whose settings say nothing of the server: it is the one beside the project."""

from __future__ import annotations

import os

from .settings import *  # noqa: F403

del ONESEAT  # noqa: F821
BASE_DIR = os.environ["ONESEAT_FOLDER"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.path.join(BASE_DIR, "site.sqlite3")}}
ONESEAT = {"BINARY": os.environ["ONESEAT_BINARY"]}
