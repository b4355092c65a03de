"""Run the portal on its own: `python -m services.portal`."""

from __future__ import annotations

import sys

from libs.common.http.serving import run
from services.portal.app import create
from services.portal.settings import PortalSettings

if __name__ == "__main__":
    sys.exit(run(PortalSettings, create))
