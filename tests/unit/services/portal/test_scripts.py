"""The portal's modules that decide things, run in Chromium without any server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, Route

from services.portal.app import STATIC
from services.portal.assets import CONTENT_TYPES
from tests.chromium import chromium

pytestmark = pytest.mark.browser
ORIGIN = "http://portal.test"


def serve(route: Route) -> None:
    path = route.request.url.removeprefix(f"{ORIGIN}/")
    if path == "":
        route.fulfill(content_type="text/html", body="<div id=announcements></div>")
        return
    file = STATIC / path
    route.fulfill(content_type=CONTENT_TYPES[file.suffix], body=file.read_bytes())


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with chromium() as browser:
        made = browser.new_page(locale="en-US")
        made.route(f"{ORIGIN}/**", serve)
        made.goto(f"{ORIGIN}/")
        yield made


def run(page: Page, body: str) -> Any:
    return page.evaluate(f"async () => {{ {body} }}")


def test_lines_of_a_header(page: Page) -> None:
    lines = run(
        page,
        """
        const { lines, matches, formatTag } = await import('/dicom/json-model.js');
        const dataset = {
            '00100010': { vr: 'PN', Value: [{ Alphabetic: 'A^B', Ideographic: 'C' }] },
            '00081140': { vr: 'SQ', Value: [{ '00081155': { vr: 'UI', Value: ['1.2'] } }] },
            '00280030': { vr: 'DS', Value: [0.5, null, 0.25] },
            '7FE00010': { vr: 'OW', BulkDataURI: 'bulk/7FE00010' },
            '60023000': { vr: 'OW' },
        };
        const names = { '00100010': "Patient's Name", '60xx3000': 'Overlay Data' };
        const all = [...lines(dataset, names, { bulk: 'elsewhere' }, () => true)];
        const found = (needle) => all.filter((line) => matches(line, needle)).map((line) => line.tag);
        return {
            texts: all.map(
                (line) => line.item ?? `${formatTag(line.tag)} ${line.name} ${line.text}`.trim(),
            ),
            depths: all.map((line) => line.depth),
            found: ['(0010,0010)', 'patient name', 'patientname', "patient's", "'", 'a^b', '1.2'].map(found),
        };
        """,
    )
    assert lines["texts"] == [
        "(0008,1140)",
        1,
        "(0008,1155)  1.2",
        "(0010,0010) Patient's Name A^B=C",
        "(0028,0030)  0.5 \\  \\ 0.25",
        "(6002,3000) Overlay Data",
        "(7FE0,0010)  elsewhere",
    ]
    assert lines["depths"] == [0, 1, 2, 0, 0, 0, 0]
    assert lines["found"] == [["00100010"]] * 4 + [[], ["00100010"], ["00081155"]]


def test_numbers_and_sizes_follow_the_language(page: Page) -> None:
    shown = run(
        page,
        """
        const { loadAreas, useLanguage, t } = await import('/app/i18n.js');
        const { formatNumber, formatBytes } = await import('/app/format.js');
        const shown = {};
        await loadAreas(['results']);
        for (const language of ['es', 'en']) {
            await useLanguage(language);
            shown[language] = [
                formatNumber(12345.678901), formatNumber(null), formatNumber(0.00000012), formatBytes(0),
                formatBytes(1536), t('list.loaded', { count: 1 }), t('list.loaded', { count: 2 }),
                t('no.such.key'),
            ];
        }
        return shown;
        """,
    )
    assert shown["en"] == [
        "12,345.6789",
        "—",
        "1.2E-7",
        "0 B",
        "1.5 KiB",
        "1 result loaded.",
        "2 results loaded.",
        "no.such.key",
    ]
    assert shown["es"][:5] == ["12.345,6789", "—", "1,2E-7", "0 B", "1,5 KiB"]


def test_the_local_day_is_asked_for_as_instants(page: Page) -> None:
    parameters = run(
        page,
        """
        const { ResultsFilters } = await import('/results/filters.js');
        const query = '?from=2026-03-01&to=2026-03-31&modality=ct';
        const filters = new ResultsFilters(query, new AbortController().signal);
        const { from, to, modality } = filters.parameters;
        const [first, end] = [new Date(from), new Date(to)];
        return [modality, first.getDate(), first.getHours(), end.getDate(), from.at(-1)];
        """,
    )
    assert parameters == ["CT", 1, 0, 1, "Z"]


def test_names_and_ages_are_read_as_headers_write_them(page: Page) -> None:
    names, ages = run(
        page,
        """
        const { personName } = await import('/dicom/person-name.js');
        const { ageAt } = await import('/dicom/dates.js');
        const written = ['García^María^^Dra.', 'ONE', '^Ana', '=山田^太郎', '', null, 'A^B^C^D^E'];
        const days = [['1970-05-02', '2026-05-01'], ['2026-01-31', '2026-03-30'],
            ['2026-03-01', '2026-03-20'], ['2026-03-01', '2026-02-01'], [null, '2026-02-01']];
        return [written.map(personName), days.map(([birth, at]) => ageAt(birth, at))];
        """,
    )
    assert names == ["García, Dra. María", "ONE", "Ana", "山田, 太郎", "", "", "A, D B C, E"]
    assert ages == [
        {"value": 55, "unit": "year"},
        {"value": 1, "unit": "month"},
        {"value": 19, "unit": "day"},
        None,
        None,
    ]


def test_what_is_typed_becomes_filters_where_it_says_so(page: Page) -> None:
    typed = run(
        page,
        """
        const { typed, queryOf, filterOf, sortOf, toggled } = await import('/studies/filter.js');
        const all = ['mod:ct  garcía', 'estado:error', 'estado:otro', 'paciente:ana tac',
            'http://x', 'a:b', ''];
        return {
            typed: all.map(typed),
            back: [filterOf('?q=a&state=none&x=1'), sortOf('?sort=evil'), sortOf('?sort=patient')],
            query: [queryOf({}), queryOf({ q: 'a b', modality: 'CT,MR' }, 'patient')],
            toggled: [toggled({}, 'modality', 'CT'), toggled({ modality: 'CT' }, 'modality', 'CT')],
        };
        """,
    )
    assert typed["typed"] == [
        {"modality": "CT", "q": "garcía"},
        {"state": "failed"},
        {"q": "estado:otro"},
        {"patient": "ana", "q": "tac"},
        {"q": "http://x"},
        {"q": "a:b"},
        {},
    ]
    assert typed["back"] == [{"q": "a"}, "-received", "patient"]
    assert typed["query"] == ["", "?q=a+b&modality=CT%2CMR&sort=patient"]
    assert typed["toggled"] == [{"modality": "CT"}, {}]


def test_of_a_long_list_the_rows_in_view_are_drawn(page: Page) -> None:
    drawn, moved = run(
        page,
        """
        const { drawnRows, movedBy } = await import('/ui/window.js');
        const rows = (count, top) => drawnRows({ count, rowHeight: 50, top, viewHeight: 500 });
        const keys = ['ArrowDown', 'ArrowUp', 'PageDown', 'PageUp', 'Home', 'End', 'x'];
        return [
            [rows(0, 0), rows(3, 0), rows(10000, 0), rows(10000, 5000), rows(10000, 9e9)],
            keys.map((key) => movedBy(key, { at: 1, count: 4, page: 10 })),
        ];
        """,
    )
    assert drawn == [
        {"first": 0, "end": 0},
        {"first": 0, "end": 3},
        {"first": 0, "end": 18},
        {"first": 92, "end": 118},
        {"first": 9999, "end": 10000},
    ]
    assert moved == [2, 0, 3, 0, 0, 3, None]
