"""axe-core on a page in Chromium."""

from __future__ import annotations

from functools import cache

from playwright.sync_api import Page

from tests.e2e.processes import ROOT

_SOURCE = ROOT / ".tools" / "portal-tools" / "node_modules" / "axe-core" / "axe.min.js"
_RUN = """async () => {
    const found = await axe.run(document, { resultTypes: ['violations'] });
    return found.violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target).join(' | ')}`);
}"""


@cache
def _source() -> str:
    assert _SOURCE.is_file(), "run infra/machine/portal-tools.sh"
    return _SOURCE.read_text()


def violations(page: Page) -> list[str]:
    """What axe finds wrong, one line for each rule with the places."""
    # The debugger brings it in: the page's own policy lets no foreign script run.
    page.evaluate(_source())
    found: list[str] = page.evaluate(_RUN)
    return found
