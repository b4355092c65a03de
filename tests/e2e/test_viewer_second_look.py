"""The viewer to who works with it: series side by side, tables as windows, what is left and found again."""

from __future__ import annotations

import numpy as np
import pytest
from playwright.sync_api import expect

from tests.e2e.portal_page import NewReader
from tests.e2e.viewer_support import Stacks, Viewer
from tests.unit.services.portal.test_viewer_agrees import with_table

pytestmark = [pytest.mark.browser, pytest.mark.browser_matrix, pytest.mark.timeout(400)]
VOI_LUT = 0x00283010


def test_a_window_that_is_a_table_is_moved_as_any_other(new_reader: NewReader) -> None:
    reader = new_reader("/studies")
    viewer, stacks, page = Viewer(reader), Stacks(reader), reader.page
    ramp = np.tile(np.arange(64, dtype=np.uint16) * 16, (64, 1))
    curve = [number**2 // 16 for number in range(1024)]
    told = stacks.header(1, SOPInstanceUID=f"{stacks.study}.1.1")
    stacks.post(with_table(VOI_LUT, ramp, curve, 0, **told))
    stacks.settle()
    viewer.open(stacks.study)
    viewer.value("Imagen 1 de 1, centro 512, ancho 1024")
    viewer.press("Control+ArrowUp")
    viewer.value("Imagen 1 de 1, centro 528, ancho 1024")
    viewer.press("0")
    viewer.value("Imagen 1 de 1, centro 512, ancho 1024")
    page.get_by_role("button", name="Ventana (w)").click()
    x, y = viewer.centre()
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x, y - 40, steps=4)
    page.mouse.up()
    viewer.value("Imagen 1 de 1, centro 192, ancho 1024")
    assert reader.troubles == []


def test_series_side_by_side_begin_together_and_the_active_one_stays(new_reader: NewReader) -> None:
    reader = new_reader("/studies")
    viewer, stacks, page = Viewer(reader), Stacks(reader), reader.page
    stacks.send(12, side=64)
    stacks.send(12, series=2, side=64)
    stacks.settle()
    viewer.open(stacks.study, f"{stacks.study}.1")
    viewer.press(*["ArrowDown"] * 6)
    viewer.drawn(7)
    page.get_by_role("button", name="Disposición").click()
    page.get_by_role("menuitemradio", name="Dos imágenes").click()
    viewer.drawn(7, at=1)
    page.locator("#viewport-1").focus()
    viewer.press("i", "2")
    page.get_by_role("button", name="Disposición").click()
    page.get_by_role("menuitemradio", name="Una imagen").click()
    viewer.value("Imagen 7 de 12, centro -600, ancho 1500")
    expect(page.locator(".strip-series[aria-current]")).to_contain_text("Serie 2")
    assert reader.troubles == []
