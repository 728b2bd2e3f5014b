"""What oneseat costs a page of a signed-in user: the site with it and without it, in turn,
and without it against itself, which shows the noise of the machine.

    make django-bench                  the example site, as `run` serves it
    make django-bench ARGS=tutorial    the tutorial's app in its place

Requests are counted from outside. Processor time is that of all processes of the site: the
workers and the server."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from pathlib import Path

from tests.postgres import Postgres
from tests.site import HERE, Browser, Site

PAIRS = int(os.environ.get("PAIRS", "9"))
SECONDS = os.environ.get("SECONDS", "4")
TICK = os.sysconf("SC_CLK_TCK")


class Measured:
    """A site, and a user who is signed in."""

    def __init__(self, seats: str, database: str) -> None:
        self.site = Site(seats=seats, database=database)
        self.browser = Browser(self.site)
        self.browser.sign_in("ada")
        if self.browser.account() != "ada":
            raise RuntimeError(self.site.log())

    def run(self) -> tuple[float, float, float]:
        """Returns requests a second, microseconds of processor a request, and the 99th
        percentile of the times in milliseconds."""
        before = processor(self.site.pid)
        line = [HERE / "../../bin/load", "-url", f"http://127.0.0.1:{self.site.port}/", "-cookie", f"sessionid={self.browser.jar['sessionid']}", "-want", 'content="ada"', "-for", f"{SECONDS}s"]
        count, bad, _, slow = map(float, subprocess.check_output(line, text=True).split())
        if bad:
            raise RuntimeError(f"{bad:.0f} of {count:.0f} answers were wrong: {self.site.log()}")
        used = processor(self.site.pid) - before
        return count / float(SECONDS), used / count * 1e6, slow


def processor(pid: int) -> float:
    """Seconds that a process and its children have used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return (int(fields[11]) + int(fields[12])) / TICK + sum(processor(int(c)) for c in children)


def compare(name: str, on: Measured, off: Measured) -> None:
    pairs = [(on.run(), off.run()) if i % 2 else tuple(reversed((off.run(), on.run()))) for i in range(PAIRS)]
    rate, cost = ([a[n] / b[n] for a, b in pairs] for n in (0, 1))
    median = statistics.median
    print(
        f"| {name} | {median(a[0] for a, _ in pairs):.0f} | {median(b[0] for _, b in pairs):.0f} | {median(rate):.2f} | {median(cost):.2f} "
        f"| {median(a[1] - b[1] for a, b in pairs):+.0f} | {median(a[2] for a, _ in pairs):.0f} / {median(b[2] for _, b in pairs):.0f} |",
        flush=True,
    )


def main() -> None:
    seats = sys.argv[1] if len(sys.argv) > 1 else "oneseat"
    postgres = Postgres()
    print("| database | on, requests/s | off | on/off | processor on/off | µs added | p99 on / off, ms |\n|---|---|---|---|---|---|---|", flush=True)
    try:
        for name in ("SQLite", "PostgreSQL"):
            sites = [Measured(kind, "sqlite" if name == "SQLite" else postgres.database()) for kind in (seats, "none", "none")]
            try:
                on, off, again = sites
                compare(f"{name}, {seats}", on, off)
                compare(f"{name}, off against off", again, off)
            finally:
                for m in sites:
                    m.site.stop()
    finally:
        postgres.stop()


if __name__ == "__main__":
    main()
