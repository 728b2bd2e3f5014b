"""Packs the program "oneseat" into a wheel of its own, which puts it beside Python:

    CGO_ENABLED=0 go build -o bin/oneseat ./cmd/oneseat
    python3 clients/django/binary_wheel.py bin/oneseat manylinux_2_17_x86_64 dist

A wheel is a zip with a list of what is in it; setuptools packs no programs."""

from __future__ import annotations

import base64
import hashlib
import re
import sys
import zipfile
from pathlib import Path

TEXT = """Metadata-Version: 2.1
Name: oneseat
Version: {version}
Summary: The server of oneseat: one account, one session.
License: MIT
Requires-Python: >=3.9
"""
WHEEL = "Wheel-Version: 1.0\nGenerator: oneseat\nRoot-Is-Purelib: false\nTag: py3-none-{platform}\n"


def pack(program: Path, platform: str, folder: Path) -> Path:
    """Writes the wheel into a folder, and returns its path."""
    here = Path(__file__).parent / "oneseat_django" / "__init__.py"
    version = re.search(r'__version__ = "(.*)"', here.read_text())[1]  # type: ignore[index]
    name = f"oneseat-{version}"
    info = f"{name}.dist-info"
    files = {
        f"{name}.data/scripts/oneseat": (program.read_bytes(), 0o755),
        f"{info}/METADATA": (TEXT.format(version=version).encode(), 0o644),
        f"{info}/WHEEL": (WHEEL.format(platform=platform).encode(), 0o644),
    }
    record = "".join(f"{path},sha256={_sum(data)},{len(data)}\n" for path, (data, _) in files.items())
    files[f"{info}/RECORD"] = (f"{record}{info}/RECORD,,\n".encode(), 0o644)
    folder.mkdir(parents=True, exist_ok=True)
    made = folder / f"{name}-py3-none-{platform}.whl"
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as z:
        for path, (data, mode) in files.items():
            entry = zipfile.ZipInfo(path)  # of 1980, so that the same program makes the same wheel
            entry.external_attr = (0o100000 | mode) << 16
            z.writestr(entry, data, zipfile.ZIP_DEFLATED)
    return made


def _sum(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")


if __name__ == "__main__":
    print(pack(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])))
