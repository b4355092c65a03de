"""Copies the portal's foreign modules out of their npm packages: `make vendor`.

`services/portal/static/vendor/vendor.json` pins each package by version and integrity and says which of its
files come along; the hashes of what was written are kept there too, so that a test sees offline that
nobody changed them.
"""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping
from hashlib import sha256, sha512
from pathlib import Path
from typing import Any

VENDOR = Path(__file__).resolve().parents[1] / "services" / "portal" / "static" / "vendor"
MANIFEST = VENDOR / "vendor.json"
LICENCES = "LICENCES.txt"
SPECIFIERS = {
    "preact": "./preact.mjs",
    "preact/hooks": "./hooks.mjs",
    "htm": "./htm.mjs",
    "../../src/index": "./preact.mjs",
    "./index": "./preact.mjs",
}
"""What the packages import, and where that lies here: a browser knows no bare names."""
SOURCE_MAP = re.compile(rb"\n?//# sourceMappingURL=\S+\s*$")


def rewritten(source: bytes) -> bytes:
    """The module with its imports leading to its neighbours, and without the address of a source map."""

    def lead(match: re.Match[bytes]) -> bytes:
        target = SPECIFIERS.get(match["name"].decode(), match["name"].decode())
        return match["head"] + match["quote"] + target.encode() + match["quote"]

    imports = re.compile(rb"(?P<head>\b(?:from|import)\s*)(?P<quote>['\"])(?P<name>[^'\"]+)(?P=quote)")
    return SOURCE_MAP.sub(b"", imports.sub(lead, source)).rstrip() + b"\n"


def fetched(name: str, package: Mapping[str, Any], folder: Path) -> tarfile.TarFile:
    """The package as npm gives it; another one than pinned ends the run."""
    command = ["npm", "pack", "--silent", "--pack-destination", str(folder), f"{name}@{package['version']}"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=folder)  # noqa: S603 - names of vendor.json
    [archive] = folder.glob("*.tgz")
    found = "sha512-" + base64.b64encode(sha512(archive.read_bytes()).digest()).decode()
    if found != package["integrity"]:
        sys.exit(f"{name} {package['version']} is not what vendor.json pins: {found}")
    return tarfile.open(archive)


def member(archive: tarfile.TarFile, name: str) -> bytes:
    """One file of a package."""
    found = archive.extractfile(f"package/{name}")
    if found is None:
        sys.exit(f"The package has no file {name}.")
    return found.read()


def main() -> None:
    """Write every file that the manifest names, and their hashes into it."""
    manifest = json.loads(MANIFEST.read_text())
    written: dict[str, bytes] = {}
    licences = []
    for name, package in manifest["packages"].items():
        with tempfile.TemporaryDirectory() as folder, fetched(name, package, Path(folder)) as archive:
            for target, source in package["files"].items():
                written[target] = rewritten(member(archive, source))
            text = member(archive, "LICENSE").decode().strip()
            licences.append(f"{name} {package['version']} ({package['license']})\n\n{text}\n")
    written[LICENCES] = f"\n{'-' * 80}\n\n".join(licences).encode()
    for target, content in written.items():
        (VENDOR / target).write_bytes(content)
    manifest["sha256"] = {target: sha256(content).hexdigest() for target, content in sorted(written.items())}
    MANIFEST.write_text(json.dumps(manifest, indent=2) + "\n")


if __name__ == "__main__":
    main()
