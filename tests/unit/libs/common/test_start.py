"""A container's first process ends on SIGTERM from its first moment on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.waiting import PATIENCE, eventually

PRINTS = "import sys\nprint(__name__, sys.argv[1:], sys.modules['__main__'].__spec__.name)\n"
IMPORTS = "import pathlib, time\npathlib.Path('began').touch()\nwhile True:\n    time.sleep(0.01)\n"


def start(folder: Path, code: str, *arguments: str, alone: bool = False) -> subprocess.Popen[str]:
    (folder / "module.py").write_text(code)
    apart = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child"] if alone else []
    return subprocess.Popen(
        [*apart, sys.executable, "-m", "libs.common.start", "module", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": f"{Path.cwd()}:{folder}"},
        stdout=subprocess.PIPE,
        text=True,
    )


def test_the_module_is_main_and_has_the_rest_of_the_command_line(tmp_path: Path) -> None:
    out, _ = start(tmp_path, PRINTS, "a", "-b").communicate(timeout=PATIENCE)
    assert out == "__main__ ['a', '-b'] module\n"


@pytest.mark.parametrize("alone", [False, True], ids=["any process", "process 1"])
async def test_it_ends_during_the_imports(tmp_path: Path, alone: bool) -> None:
    process = start(tmp_path, IMPORTS, alone=alone)
    try:
        await eventually((tmp_path / "began").exists)
        if alone:
            (child,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            os.kill(int(child), signal.SIGTERM)
        else:
            process.terminate()
        assert process.wait(60) == 128 + signal.SIGTERM
    finally:
        process.kill()
        process.communicate()
