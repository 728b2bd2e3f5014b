"""A server of oneseat for a test: `oneseat serve`, as it is built from this tree."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from . import canaries

BINARY = os.environ.get("ONESEAT_BINARY", "")


class Served:
    """Runs until stop is called. url and key are for ONESEAT."""

    def __init__(self, *flags: str, listen: str = "127.0.0.1:0", store: str = "memory:", realm: str = "") -> None:
        self.folder = tempfile.mkdtemp(prefix="oneseat-")
        self.flags = [*flags, "--drain", "0s", "--store", store]
        self._log = open(Path(self.folder, "log"), "wb")
        self.url = listen
        if realm:
            self.key = subprocess.check_output([BINARY, "keys", "create", "--file", "keys.toml"], cwd=self.folder, text=True).strip()
            with open(Path(self.folder, "keys.toml"), "a") as f:
                f.write(f"\n[realm.default]\n{realm}\n")
        self._keys = ["--keys", "keys.toml"] if realm else ["--dev"]
        self.start()

    def start(self) -> None:
        listen = self.url.partition("://")[2] or self.url
        self._process = subprocess.Popen(
            [BINARY, "serve", *self._keys, "--listen", listen, *self.flags],
            cwd=self.folder, stdout=subprocess.PIPE, stderr=self._log, text=True,
        )  # fmt: skip
        self.url = self._process.stdout.readline().strip()
        if "--dev" in self._keys:
            self.key = self._process.stdout.readline().strip()
        if not self.url or not self.key:
            raise RuntimeError(self.log())

    def end(self) -> None:
        """Ends the process. start begins another one, with the same address and key."""
        self._process.send_signal(signal.SIGCONT)
        self._process.terminate()
        self._process.wait(60)
        self._process.stdout.close()

    def hang(self) -> None:
        """Makes the server answer nothing, although it still takes connections."""
        self._process.send_signal(signal.SIGSTOP)
        while Path(f"/proc/{self._process.pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "T":
            time.sleep(0.01)

    def go_on(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def log(self) -> str:
        return Path(self.folder, "log").read_text()

    def stop(self) -> None:
        self.end()
        self._log.close()
        canaries.seen("log of the server", self.log())
        shutil.rmtree(self.folder)
