"""Pages when something is wrong, in Chromium: it is said in the place of the rows; names are only names."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from playwright.sync_api import Page, Route, expect

from tests.builders import UID_ROOT, ct_instance
from tests.e2e.portal_page import NewReader, Portal, seen

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]
TRACE = "0af7651916cd43dd8448eb211c80319c"
HOSTILE = "<img src=x onerror=window.taken=1>"
PROBLEMS = {503: "unavailable", 403: "forbidden", 404: "not-found"}


@dataclass(frozen=True)
class Sent:
    """What a reader has sent."""

    study: str
    file: str


def send(reader: Portal, **elements: str) -> Sent:
    """One file, that has been looked at."""
    study = f"{UID_ROOT}.{secrets.randbits(48)}"
    content = ct_instance(
        *(16, 16),
        seed=secrets.randbits(32),
        StudyInstanceUID=study,
        SeriesInstanceUID=f"{study}.1",
        SpecificCharacterSet="ISO_IR 192",
        **elements,  # type: ignore[arg-type]
    )
    answer = reader.page.request.post(
        f"{reader.url}/api/files",
        multipart={"file": {"name": f"{HOSTILE}.dcm", "mimeType": "application/dicom", "buffer": content}},
        headers={"Origin": reader.url},
    )
    assert answer.status == 202, answer.text()
    sent = Sent(study, answer.json()["files"][0]["id"])
    reader.settled(sent.file)
    return sent


@dataclass(frozen=True)
class Place:
    """A page: its address, what it asks for, and what stands there when all is well."""

    path: Callable[[Sent], str]
    asks: str
    there: str
    staff: bool = False


PLACES = {
    "studies": Place(lambda sent: "/studies", r"/api/studies(\?|$|/facets)", "main .grid tbody tr[data-key]"),
    "study": Place(lambda sent: f"/studies/{sent.study}", r"/api/studies/[0-9]", "main .series-card"),
    "files": Place(lambda sent: "/files", r"/api/results(\?|$)", "main tbody tr"),
    "result": Place(lambda sent: f"/results/{sent.file}", r"/api/results/[^/?]+$", "main [data-measure]"),
    "compare": Place(
        lambda sent: f"/compare?a={sent.file}&b={sent.file}", r"/api/results/[^/?]+$", "main [data-measure]"
    ),
    "shared": Place(lambda sent: "/shared", r"/api/(shares|links)", "main h1"),
    "users": Place(
        lambda sent: "/admin/users", r"/api/auth/users(\?|$)", "main .grid tbody tr[data-key]", True
    ),
    "groups": Place(
        lambda sent: "/admin/groups", r"/api/auth/groups(\?|$)", "main .grid tbody tr[data-key]", True
    ),
    "audit": Place(
        lambda sent: "/admin/audit", r"/api/auth/audit(\?|$)", "main .grid tbody tr[data-key]", True
    ),
}


def answer(status: int) -> Callable[[Route], None]:
    """A problem document."""
    problem = {
        "code": PROBLEMS.get(status, "token-expired"),
        "detail": "Told by the test.",
        "trace_id": TRACE,
    }
    body = json.dumps({**problem, "status": status})
    return lambda route: route.fulfill(status=status, body=body, content_type="application/problem+json")


class Held:
    """Keeps requests waiting, until they may go on."""

    def __init__(self) -> None:
        self._waiting: list[Route] | None = []

    def __call__(self, route: Route) -> None:
        if self._waiting is None:
            route.continue_()
        else:
            self._waiting.append(route)

    def let_go(self) -> None:
        """Those that wait, and all that come."""
        late, self._waiting = self._waiting or [], None
        for route in late:
            route.continue_()


def expect_trouble(page: Page, place: Place) -> None:
    """It is said, and nothing stands there as if it were the answer."""
    said = page.locator("main :is([role=alert], .error-state, .empty-state):visible")
    expect(said.first).not_to_be_empty()
    if "h1" not in place.there:
        expect(page.locator(place.there)).to_have_count(0)


@pytest.mark.browser_matrix
@pytest.mark.parametrize("name", PLACES)
def test_trouble_takes_the_place_of_the_data(new_reader: NewReader, name: str) -> None:
    place = PLACES[name]
    reader = new_reader("/studies", more=["--superuser"] if place.staff else ())
    page, sent = reader.page, send(reader, PatientName="GARCÍA^MARÍA")
    path, asked = place.path(sent), re.compile(place.asks)
    reader.open(path)
    expect(page.locator(place.there).first).to_be_visible()
    for status in PROBLEMS:
        page.route(asked, answer(status))
        page.reload()
        expect_trouble(page, place)
        seen(page, f"trouble-{name}-{status}")
        page.unroute(asked)
    # No answer at all, then a late one.
    page.route(asked, lambda route: route.abort())
    page.reload()
    expect_trouble(page, place)
    page.unroute(asked)
    held = Held()
    page.route(asked, held)
    page.reload()
    expect(page.locator(".account .menu-button")).to_be_visible()
    if "h1" not in place.there:
        expect(page.locator(place.there)).to_have_count(0)
    held.let_go()
    expect(page.locator(place.there).first).to_be_visible()
    page.unroute(asked)
    # The session is over: who reads is asked, at the same address.
    page.route(re.compile("/api/"), answer(401))
    page.reload()
    expect(page.locator('[name="username"]')).to_be_visible()
    assert page.url == reader.url + path
    expect(page.locator("main tbody tr, main .series-card")).to_have_count(0)
    assert [trouble for trouble in reader.troubles if "Failed to load resource" not in trouble] == []


@pytest.mark.browser_matrix
def test_without_a_network_a_page_says_so_and_goes_on_when_it_is_back(new_reader: NewReader) -> None:
    reader = new_reader("/studies")
    page = reader.page
    send(reader, PatientName="GARCÍA^MARÍA")
    expect(page.locator("main .grid tbody tr[data-key]")).to_have_count(1)
    page.context.set_offline(True)
    expect(page.locator(".offline")).to_be_visible()
    page.locator('.site-nav a[href="/shared"]').click()
    alert = page.locator("main [role=alert]")
    expect(alert).to_be_visible()
    expect(page.locator("main tbody tr")).to_have_count(0)
    seen(page, "trouble-offline")
    page.context.set_offline(False)
    expect(page.locator(".offline")).to_have_count(0)
    page.locator("main .error-state").get_by_role("button").first.click()
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(alert).to_have_count(0)


def test_markup_in_names_is_text_on_every_page(new_reader: NewReader) -> None:
    reader = new_reader("/studies")
    page = reader.page
    names = ("PatientName", "PatientID", "StudyDescription", "SeriesDescription", "Manufacturer")
    more = (
        "ManufacturerModelName",
        "AccessionNumber",
        "ReferringPhysicianName",
        "ProtocolName",
        "StationName",
    )
    sent = send(reader, **dict.fromkeys((*names, *more), HOSTILE))
    reader.page.request.patch(
        f"{reader.url}/api/auth/me",
        data={"first_name": HOSTILE, "last_name": HOSTILE},
        headers={"Origin": reader.url},
    )
    for place in (place for place in PLACES.values() if not place.staff):
        reader.open(place.path(sent))
        expect(page.locator(place.there).first).to_be_visible()
        expect(page.locator(".account .account-name")).to_contain_text(HOSTILE)
        assert page.locator('img[src="x"]').count() == 0
        assert page.evaluate("window.taken") is None
    assert reader.troubles == []
