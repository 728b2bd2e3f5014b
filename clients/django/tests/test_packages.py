"""The app installs as people install, and the README's steps work as they stand there."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.error
import urllib.request
import zipfile
from pathlib import Path

from django.test import SimpleTestCase

from .served import BINARY

APP = Path(__file__).resolve().parent.parent
PROJECT = APP.parent.parent


class Packages(SimpleTestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        # A copy, so that nothing is built in the project's folder.
        subprocess.run(["cp", "-r", APP, self.folder / "django"], check=True)

    def build(self, kind: str) -> Path:
        code = f"from setuptools import build_meta; print(build_meta.build_{kind}({str(self.folder)!r}))"
        done = subprocess.run([sys.executable, "-c", code], cwd=self.folder / "django", capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        return self.folder / done.stdout.split()[-1]

    def test_the_wheel_is_pure_and_the_sdist_makes_the_same(self):
        wheel = self.build("wheel")
        self.assertRegex(wheel.name, r"^oneseat_django-[0-9.]+-py3-none-any\.whl$")
        with zipfile.ZipFile(wheel) as z:
            inside = {n for n in z.namelist() if n.startswith("oneseat_django/")}
        source = {str(p.relative_to(APP)) for p in (APP / "oneseat_django").rglob("*") if p.is_file() and "__pycache__" not in p.parts}
        self.assertEqual(inside, source)
        with tarfile.open(self.build("sdist")) as t:
            inside = {n.partition("/")[2] for n in t.getnames()}
        self.assertLessEqual(source | {"README.md", "pyproject.toml"}, inside)

    def test_a_wheel_carries_the_program(self):
        dist, target = self.folder / "dist", self.folder / "target"
        done = subprocess.run([sys.executable, APP / "binary_wheel.py", BINARY, "linux_x86_64", dist], capture_output=True, text=True, check=True)
        wheel = done.stdout.strip()
        subprocess.run([sys.executable, "-m", "pip", "install", "-q", "--no-index", "--no-deps", "--target", target, wheel], check=True, env={**os.environ, "PIP_ROOT_USER_ACTION": "ignore"})
        (program,) = target.rglob("bin/oneseat")
        self.assertIn("oneseat serve", subprocess.run([program, "serve", "-h"], capture_output=True, text=True, check=True).stdout)


class Readme(SimpleTestCase):
    def test_its_steps_work_as_they_stand_there(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        home = Path(folder.name)
        text = (APP / "README.md").read_text()
        install = text[text.index("## Install") : text.index("## What is promised")]
        (build, run), (settings,) = (re.findall(rf"```{kind}\n(.*?)```", install, re.DOTALL) for kind in ("sh", "python"))
        programs = home / "programs"
        programs.mkdir()
        (programs / "python").symlink_to(sys.executable)
        (programs / "pip").write_text(f'#!/bin/sh\nexec {sys.executable} -m pip "$@"\n')
        (programs / "pip").chmod(0o755)
        with socket.create_server(("127.0.0.1", 0)) as s:
            port = s.getsockname()[1]
        go = {k: subprocess.check_output(["go", "env", k], text=True).strip() for k in ("GOPATH", "GOCACHE", "GOMODCACHE")}
        environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("ONESEAT", "DJANGO"))}, **go,
            "HOME": str(home), "PATH": f"{home}/.local/bin:{programs}:{os.environ['PATH']}", "RUNTIME_DIRECTORY": str(home),
            "PYTHONPATH": f"{home}/packages", "PIP_TARGET": f"{home}/packages", "PIP_NO_DEPS": "1", "PIP_NO_INDEX": "1", "PIP_NO_BUILD_ISOLATION": "0",
            "PIP_ROOT_USER_ACTION": "ignore", "PIP_QUIET": "1", "GUNICORN_CMD_ARGS": f"--bind 127.0.0.1:{port} --log-level warning",
        }  # fmt: skip

        def shell(script: str, at: Path) -> None:
            done = subprocess.run(["sh", "-e", "-c", script], cwd=at, env=environment, capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

        copy = home / "oneseat"
        (copy / "clients").mkdir(parents=True)
        subprocess.run(["cp", "-r", APP, copy / "clients" / "django"], check=True)
        shell("mkdir -p .local/bin && python -m django startproject mysite", home)
        for line in build.splitlines():
            # What is built of Go is in the cache for this very folder.
            shell(line, PROJECT if line.startswith("go ") else copy)
        site = home / "mysite"
        with open(site / "mysite" / "settings.py", "a") as f:
            f.write(settings)
        shell("python manage.py migrate --verbosity 0 && python manage.py check", site)
        process = subprocess.Popen(["sh", "-c", f"exec {run.strip()}"], cwd=site, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            deadline = time.monotonic() + 120
            while True:
                try:
                    with urllib.request.urlopen(f"http://127.0.0.1:{port}/admin/login/") as answer:
                        self.assertEqual(answer.status, 200)
                        break
                except (urllib.error.URLError, ConnectionError):
                    self.assertIsNone(process.poll())
                    self.assertLess(time.monotonic(), deadline)
                    time.sleep(0.05)
            self.assertTrue((site / "oneseat.db").exists())
            shell("python manage.py check --deploy --tag oneseat --fail-level WARNING", site)
        finally:
            process.send_signal(signal.SIGTERM)
            out, _ = process.communicate(timeout=120)
        self.assertEqual((process.returncode, out), (0, ""))
