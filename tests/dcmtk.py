"""DCMTK's programs by their paths: pynetdicom puts some of the same names into the virtual environment."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path


def program(name: str) -> str:
    """Where DCMTK's program of this name lies."""
    own = Path(sys.executable).parent
    folders = [folder for folder in os.get_exec_path() if Path(folder).absolute() != own.absolute()]
    found = shutil.which(name, path=os.pathsep.join(folders))
    assert found is not None, f"`make test-tools` installs {name}"
    return found
