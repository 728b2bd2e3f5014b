"""Runs the suite: python3 -m tests, with the program in ONESEAT_BINARY. Arguments name
tests, as for `manage.py test`."""

from __future__ import annotations

import os
import sys
import warnings

import django
from django.test.utils import get_runner

from . import canaries
from .served import BINARY, Served


def main() -> int:
    if not BINARY:
        print("ONESEAT_BINARY is not set: run `make django` in the project's folder", file=sys.stderr)
        return 2
    warnings.simplefilter("error", DeprecationWarning)
    warnings.filterwarnings("ignore", module=r"(asyncio|django|rest_framework|rest_framework_simplejwt|jwt|cgi|pkg_resources)\b")
    warnings.filterwarnings("ignore", message=".*(cgi|pkg_resources|USE_L10N).*")
    canaries.look_at_logs()
    server = Served()
    try:
        os.environ.update(ONESEAT_URL=server.url, ONESEAT_KEY=server.key, ONESEAT_FOLDER=server.folder, DJANGO_SETTINGS_MODULE="tests.settings")
        django.setup()
        from django.conf import settings

        runner = get_runner(settings)(verbosity=1, interactive=False)
        failed = bool(runner.run_tests(sys.argv[1:] or ["tests"]))
    finally:
        server.stop()
    for leak in canaries.found:
        print(leak, file=sys.stderr)
    return failed or bool(canaries.found)


sys.exit(main())
