"""The portal's modules that decide things, run in Chromium without any server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
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


@contextmanager
def portal_page(timezone: str | None = None) -> Iterator[Page]:
    """An empty page of a browser that can import the portal's modules."""
    with chromium() as browser:
        made = browser.new_page(locale="en-US", timezone_id=timezone)
        made.route(f"{ORIGIN}/**", serve)
        made.goto(f"{ORIGIN}/")
        yield made


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with portal_page() as made:
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
        const words = { bulk: 'elsewhere', local: { '00100010': 'Nombre del paciente: línea' } };
        const all = [...lines(dataset, names, words, () => true)];
        const found = (needle) => all.filter((line) => matches(line, needle)).map((line) => line.tag);
        return {
            texts: all.map(
                (line) => line.item ?? `${formatTag(line.tag)} ${line.name} ${line.text}`.trim(),
            ),
            depths: all.map((line) => line.depth),
            found: ['(0010,0010)', 'patient name', 'patientname', "patient's", "'", 'a^b', '1.2', 'linea']
                .map(found),
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
    assert lines["found"] == [["00100010"]] * 4 + [[], ["00100010"], ["00081155"], ["00100010"]]


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
                formatBytes(1536), t('list.found', { count: 1 }), t('list.found', { count: 2 }),
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
        "1 file found.",
        "2 files found.",
        "no.such.key",
    ]
    assert shown["es"][:5] == ["12.345,6789", "—", "1,2E-7", "0 B", "1,5 KiB"]


def test_spans_of_days_are_asked_for_by_the_readers_clock(page: Page) -> None:
    days, moments, asked = run(
        page,
        """
        const { daysOf, momentsOf, spanOf } = await import('/app/spans.js');
        const now = new Date(2026, 2, 1, 15, 30);
        const spans = ['today', 'yesterday', '7d', '2026-01-31', '2026-01-01..', '..2026-01-31', '..', 'x',
            '0d', 'a..b', '2026-01-01..2026-01-02..2026-01-03'];
        const { from, to } = momentsOf('2026-03-01..2026-03-31', now);
        const files = await import('/results/filter.js');
        const studies = await import('/studies/filter.js');
        const filter = { modality: 'CT', received: 'yesterday' };
        return [
            [...spans.map((span) => daysOf(span, now)), spanOf('', ''), spanOf('', '2026-01-01')],
            [new Date(from).getDate(), new Date(from).getHours(), new Date(to).getDate(), from.at(-1)],
            [files.parametersOf(filter, now), studies.parametersOf({ ...filter, date: '7d' }, now)],
        ];
        """,
    )
    assert days == [
        {"from": "2026-03-01", "to": "2026-03-01"},
        {"from": "2026-02-28", "to": "2026-02-28"},
        {"from": "2026-02-23", "to": ""},
        {"from": "2026-01-31", "to": "2026-01-31"},
        {"from": "2026-01-01", "to": ""},
        {"from": "", "to": "2026-01-31"},
        *[None] * 5,
        "",
        "..2026-01-01",
    ]
    assert moments == [1, 0, 1, "Z"]
    files, studies = asked
    assert files["modality"] == "CT"
    assert files["from"] < files["to"]
    assert studies["received"] == f"{files['from']}..{files['to']}"
    assert (studies["study_from"], studies["study_to"]) == ("2026-02-23", "")


ROWS = """
    const { Listing } = await import('/app/listing.js');
    const answers = {};
    const asked = [];
    let all = Array.from({ length: 130 }, (_, at) => ({ id: 130 - at, state: 'received' }));
    window.fetch = async (path) => {
        const url = new URL(path, location);
        if (url.pathname.endsWith('/facets'))
            return Response.json({ total: all.length, complete: true, facets: {} });
        asked.push(url.search);
        const limit = Number(url.searchParams.get('limit'));
        const after = Number(url.searchParams.get('cursor') ?? Infinity);
        const rest = all.filter((row) => row.id < after);
        const next_cursor = rest.length > limit ? String(rest[limit - 1].id) : null;
        return Response.json({ rows: rest.slice(0, limit), next_cursor });
    };
    const of = { path: '/rows', items: 'rows', keyOf: (row) => String(row.id), filter: {}, sort: '-id' };
    const listing = new Listing({ ...of, parameters: (filter) => filter });
    const at = (id) => listing.rows.find((row) => row.id === id)?.state;
"""


def test_changed_rows_are_asked_for_anew_wherever_they_are(page: Page) -> None:
    states, asked, fresh, shown = run(
        page,
        ROWS
        + """
        await listing.load();
        await listing.more();
        await listing.more();
        all = all.filter((row) => row.id !== 25);
        all[all.findIndex((row) => row.id === 20)] = { id: 20, state: 'processed' };
        all.unshift({ id: 131, state: 'received' });
        asked.length = 0;
        await listing.refresh(new Set(['20', '131']), () => false);
        const states = [listing.rows.length, at(20), at(25), at(131)];
        const searches = [...asked];
        const fresh = listing.fresh;
        await listing.refresh(new Set(), () => true);
        const shown = [listing.rows.length, listing.rows[0].id, listing.fresh, listing.total];
        return [states, searches, fresh, shown];
        """,
    )
    assert states == [129, "processed", None, None]
    assert len(asked) == 2
    assert "cursor=31" in asked[1]
    assert fresh == 1
    assert shown == [130, 131, 0, 130]


def test_after_a_gap_every_page_is_asked_for_anew_once_at_a_time(page: Page) -> None:
    rows, asked = run(
        page,
        ROWS
        + """
        await listing.load();
        await listing.all();
        all = all.filter((row) => row.id % 2 === 0);
        asked.length = 0;
        const first = listing.refresh(null, () => false);
        await listing.refresh(new Set(['2']), () => false); // waits for the first
        await first;
        return [listing.rows.map((row) => row.id), asked.length];
        """,
    )
    assert rows == list(range(130, 0, -2))
    assert asked == 4


def test_a_long_list_stays_whole_and_is_asked_for_anew_where_it_is_seen(page: Page) -> None:
    kept, asked, seen, come, quiet = run(
        page,
        ROWS
        + """
        all = Array.from({ length: 2000 }, (_, at) => ({ id: 2000 - at, state: 'received' }));
        await listing.load();
        while (listing.cursor !== null) await listing.more();
        all = all.map(({ id }) => ({ id, state: 'processed' }));
        listing.see(1900, 1930);
        asked.length = 0;
        const refreshed = listing.refresh(null, () => false);
        const kept = [listing.rows.length];
        await refreshed;
        kept.push(listing.rows.length, listing.cursor);
        const first = [asked.length, asked[1].includes('cursor=101')];
        const seen = [at(100), at(71), at(1000)];
        const turn = () => new Promise((resolve) => setTimeout(resolve, 100));
        listing.see(990, 1020);
        await turn();
        const come = at(1000);
        for (let row = 0; row < 2000; row += 25) {
            listing.see(row, row + 25);
            await turn();
        }
        asked.length = 0;
        const states = new Set(listing.rows.map(({ state }) => state));
        listing.see(990, 1020);
        await turn();
        return [kept, first, seen, come, [[...states], asked.length]];
        """,
    )
    assert kept == [2000, 2000, None]
    assert asked == [12, True]
    assert seen == ["processed", "processed", "received"]
    assert come == "processed"
    assert quiet == [["processed"], 0]


# The first answer is on its way, and says what was before: `answer()` lets it come.
SLOW = """
    const quick = window.fetch;
    let answer;
    const slow = (facets = false) => {
        window.fetch = async (path, options) => {
            const told = await quick(path);
            if (path.includes('/facets') === facets) {
                window.fetch = quick;
                await new Promise((resolve, reject) => {
                    answer = resolve;
                    options.signal.addEventListener('abort', () => reject(options.signal.reason));
                });
            }
            return told;
        };
    };
    const asked_for = () => new Promise((resolve) => setTimeout(resolve, 20));
"""


def test_what_changes_while_a_list_loads_is_asked_for_after_it(page: Page) -> None:
    before, rows, again = run(
        page,
        ROWS
        + SLOW
        + """
        all = [];
        slow();
        const loaded = listing.load();
        await asked_for();
        all = [{ id: 1, state: 'received' }];
        await listing.refresh(new Set(['1']), () => true);
        const before = listing.phase;
        answer();
        await loaded;
        const rows = listing.rows.map((row) => row.state);
        const count = asked.length;
        await listing.load(); // knows of everything: nothing is asked for after it
        return [before, rows, [count, asked.length]];
        """,
    )
    assert before == "loading"
    assert rows == ["received"]
    assert again == [2, 3]


def test_what_changes_while_more_rows_come_is_asked_for_after_them(page: Page) -> None:
    states = run(
        page,
        ROWS
        + SLOW
        + """
        await listing.load();
        slow();
        const more = listing.more();
        await asked_for();
        all[all.findIndex((row) => row.id === 60)] = { id: 60, state: 'processed' };
        await listing.refresh(new Set(['60']), () => true);
        answer();
        await more;
        await asked_for();
        return [at(60), listing.rows.length];
        """,
    )
    assert states == ["processed", 100]


def test_a_refresh_that_fails_is_told_and_tried_again(page: Page) -> None:
    told, again = run(
        page,
        ROWS
        + """
        const later = [];
        const wait = window.setTimeout;
        window.setTimeout = (work, time) => (time === 5000 ? later.push(work) : wait(work, time));
        await listing.load();
        await listing.more();
        all[all.findIndex((row) => row.id === 60)] = { id: 60, state: 'processed' };
        const sound = window.fetch;
        window.fetch = async () => new Response('<h1>Bad Gateway</h1>');
        await listing.refresh(new Set(['60']), () => true);
        const told = [listing.stale !== null, at(60), later.length];
        window.fetch = sound;
        await listing.more(); // that it works again says nothing of what was missed
        told.push(listing.stale !== null);
        await later[0]();
        await new Promise((resolve) => wait(resolve, 50));
        return [told, [listing.stale, at(60), later.length]];
        """,
    )
    assert told == [True, "received", 1, True]
    assert again == [None, "processed", 1]


def test_answers_that_break_or_are_no_json_are_the_networks(page: Page) -> None:
    names = run(
        page,
        """
        const { request } = await import('/app/api.js');
        const fail = (stream) => stream.error(new TypeError('network error'));
        const broken = () => new ReadableStream({ pull: fail });
        const given = [() => new Response('<h1>proxy</h1>'), () => new Response(broken()),
            () => new Response(broken(), { status: 500 })];
        const names = [];
        for (const answer of given) {
            window.fetch = async () => answer();
            await request('/api/x').catch((error) => names.push(error.constructor.name));
        }
        return names;
        """,
    )
    assert names == ["NetworkError"] * 3


def test_sentences_that_could_not_be_had_are_asked_for_again(page: Page) -> None:
    page.goto(f"{ORIGIN}/")
    shown = run(
        page,
        """
        const { hasText, loadAreas, useLanguage } = await import('/app/i18n.js');
        const sound = window.fetch;
        await useLanguage('en');
        window.fetch = async () => Response.json({ title: 'Service Unavailable' }, { status: 503 });
        const failed = await loadAreas(['shares']).then(() => false, () => true);
        window.fetch = sound;
        await loadAreas(['shares']);
        return [failed, hasText('shares.withMe'), hasText('title')];
        """,
    )
    assert shown == [True, True, False]


def test_a_list_that_is_loaded_anew_or_left_amid_a_refresh_follows_again(page: Page) -> None:
    states = run(
        page,
        ROWS
        + SLOW
        + """
        const states = [];
        const anew = () => listing.load();
        for (const [amid, facets] of [[anew, false], [anew, true], [() => listing.stop(), false]]) {
            await listing.load();
            slow(facets);
            const cut = listing.refresh(null, () => true);
            await asked_for();
            await amid();
            await cut;
            all[0] = { id: 130, state: `processed ${states.length}` };
            await listing.refresh(new Set(['130']), () => true);
            states.push(at(130));
        }
        return states;
        """,
    )
    assert states == ["processed 0", "processed 1", "processed 2"]


def test_values_of_a_header_are_read_as_people_write_them(page: Page) -> None:
    read = run(
        page,
        """
        const { readable } = await import('/dicom/readable.js');
        const given = [['DA', '20260131'], ['DA', '2026.01.31'], ['DA', '20260231'], ['TM', '101530.250'],
            ['TM', '1015'], ['TM', '9961'], ['DT', '20260131101530.5+0100'], ['DT', '20260131'],
            ['AS', '055Y'], ['AS', '55'], ['PN', 'GARCIA^MARIA'], ['PN', 'ONE'], ['LO', '20260131'],
            ['DA', '20260131 \\ 20260201']];
        return given.map(([vr, text]) => readable(vr, text) || null);
        """,
    )
    assert read == [
        {"kind": "day", "day": "2026-01-31"},
        {"kind": "day", "day": "2026-01-31"},
        None,
        {"kind": "time", "time": "10:15:30"},
        {"kind": "time", "time": "10:15"},
        None,
        {"kind": "moment", "day": "2026-01-31", "time": "10:15:30"},
        {"kind": "day", "day": "2026-01-31"},
        {"kind": "age", "value": 55, "unit": "year"},
        None,
        {"kind": "name", "name": "GARCIA, MARIA"},
        None,
        None,
        None,
    ]


def test_the_steps_of_a_file_are_told_in_order(page: Page) -> None:
    steps, waiting, drawn = run(
        page,
        """
        const { stepsOf, drawnAt } = await import('/results/steps.js');
        const attempt = { attempt: 1, outcome: 'retried', reason: 'worker-lost', started_at: null,
            finished_at: '2026-01-31T10:00:10Z', waited_seconds: null, fetch_seconds: null,
            decode_seconds: null, measure_seconds: null, store_seconds: null };
        const last = { ...attempt, attempt: 2, outcome: 'processed', started_at: '2026-01-31T10:00:20Z',
            finished_at: '2026-01-31T10:00:22Z', waited_seconds: 10, decode_seconds: 1.5,
            measure_seconds: 0.5 };
        const id = '019c1390-d400-7000-8000-000000000000'; // 2026-01-31T09:59:..
        const result = { file_id: id, state: 'processed', received_at: '2026-01-31T10:00:00Z',
            processed_at: null };
        const names = (stages) => (stages ?? []).map((stage) => stage.name);
        const told = ({ name, seconds, stages }) => [name, seconds, names(stages)];
        const steps = stepsOf(result, [attempt, last]).map(told);
        return [steps.slice(-5), stepsOf({ ...result, state: 'received' }, []).map(told).slice(-2),
            [drawnAt('0190f3a4-0000-4000-8000-000000000000'), typeof drawnAt(id)]];
        """,
    )
    assert [step[0] for step in steps] == ["stored", "attempt", "queued", "attempt", "processed"]
    assert steps[3] == ["attempt", 2, ["decode", "measure"]]
    assert steps[2][1] == 10
    assert [step[0] for step in waiting] == ["stored", "waiting"]
    assert drawn == [None, "string"]


def test_two_results_are_told_by_what_differs(page: Page) -> None:
    numbers, pairs, headers = run(
        page,
        """
        const { difference, paired, headerLines } = await import('/results/differences.js');
        const is = (vr, ...Value) => ({ vr, Value });
        const first = { '00100010': is('PN', { Alphabetic: 'A' }), '00200013': is('IS', 1) };
        const second = { ...first, '00200013': is('IS', 2), '00280010': is('US', 8) };
        return [
            [difference(2, 3), difference(0, 3), difference(1, undefined)],
            paired([['min', '1', 1], ['std', '2', 2]], [['min', '1', 1], ['max', '3', 3]])
                .map(({ name, a, b }) => [name, !a, !b]),
            headerLines(first, second, {}, { bulk: '' })
                .map(({ line, a, b, same }) => [line.tag, a, b, same]),
        ];
        """,
    )
    assert numbers == [{"difference": 1, "relative": 0.5}, {"difference": 3, "relative": None}, None]
    assert pairs == [["min", False, False], ["std", False, True], ["max", True, False]]
    assert headers == [
        ["00100010", "A", "A", True],
        ["00200013", "1", "2", False],
        ["00280010", None, "8", False],
    ]


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
        const { typed, queryOf, filterOf, sortOf } = await import('/studies/filter.js');
        const { toggled } = await import('/app/filter.js');
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
        const rows = (count, top, keep) => drawnRows({ count, rowHeight: 50, top, viewHeight: 500, keep });
        const keys = ['ArrowDown', 'ArrowUp', 'PageDown', 'PageUp', 'Home', 'End', 'x'];
        return [
            [rows(0, 0), rows(3, 0), rows(10000, 0), rows(10000, 5000), rows(10000, 9e9),
                rows(10000, 5000, 3), rows(10000, 0, 9000), rows(10000, 0, 5)],
            keys.map((key) => movedBy(key, { at: 1, count: 4, page: 10 })),
        ];
        """,
    )
    assert drawn == [
        [{"first": 0, "end": 0}],
        [{"first": 0, "end": 3}],
        [{"first": 0, "end": 18}],
        [{"first": 92, "end": 118}],
        [{"first": 9999, "end": 10000}],
        [{"first": 3, "end": 4}, {"first": 92, "end": 118}],
        [{"first": 0, "end": 18}, {"first": 9000, "end": 9001}],
        [{"first": 0, "end": 18}],
    ]
    assert moved == [2, 0, 3, 0, 0, 3, None]


def test_ends_of_shares_are_days_here(page: Page) -> None:
    days, ends, seconds = run(
        page,
        """
        const { dayIn, endOf, secondsUntil } = await import('/shares/days.js');
        const evening = new Date(2026, 11, 31, 23, 30);
        const end = new Date(endOf('2027-03-28'));
        return [
            [dayIn(0, evening), dayIn(1, evening), dayIn(60, evening)],
            [end.getDate(), end.getHours(), endOf('')],
            [secondsUntil('2027-01-01', evening), secondsUntil('2027-06-30', evening)],
        ];
        """,
    )
    assert days == ["2026-12-31", "2027-01-01", "2027-03-01"]
    assert ends == [28, 23, None]
    assert seconds == [86_400, 181 * 86_400]


def test_browsers_are_called_as_people_call_them(page: Page) -> None:
    names = run(
        page,
        """
        const { deviceName } = await import('/account/user-agent.js');
        const mozilla = 'Mozilla/5.0 ';
        return [
            mozilla + '(X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0',
            mozilla + '(Windows NT 10.0) AppleWebKit/537.36 Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0',
            mozilla + '(iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Mobile/1 Safari/604.1',
            'curl/8.5.0',
            '',
        ].map(deviceName);
        """,
    )
    assert names == ["Firefox · Linux", "Edge · Windows", "Safari · iOS", "curl", ""]


def test_notices_are_read_off_what_there_is(page: Page) -> None:
    notices, unread = run(
        page,
        """
        const { filesFailed, inOrder, sharesReceived, unreadOf } = await import('/app/notices.js');
        const user = { user_id: 7 };
        const thing = { patient_name: 'GARCIA^MARIA', patient_id: 'P-1', file_name: 'a.dcm' };
        const of = { kind: 'study', study_instance_uid: '1.2', collection: 'user:8' };
        const share = { ...of, thing, created_by: 8 };
        const shares = [
            { ...share, id: 'one', created_at: '2026-01-03T00:00:00Z' },
            { ...share, id: 'own', created_at: '2026-01-09T00:00:00Z', created_by: 7 },
            { ...share, id: 'gone', created_at: '2026-01-01T00:00:00Z', thing: null },
        ];
        const file = { collection: 'user:7', received_at: '2026-01-01T00:00:00Z', patient_name: null };
        const failed = [
            { ...file, file_id: 'a', file_name: 'a.dcm', study_instance_uid: '1.3', patient_id: 'P-2',
              processed_at: '2026-01-02T00:00:00Z' },
            { ...file, file_id: 'b', file_name: 'b.dcm', study_instance_uid: '1.3', patient_id: 'P-2',
              processed_at: '2026-01-04T00:00:00Z' },
            { ...file, file_id: 'c', file_name: 'c.dcm', study_instance_uid: null, processed_at: null },
        ];
        const all = inOrder([...sharesReceived(shares, user), ...filesFailed(failed)], 12);
        return [
            all.map(({ text, parameters, address }) => [text, parameters, address]),
            [null, '2026-01-02T12:00:00Z', '2026-02-01T00:00:00Z'].map((read) => unreadOf(all, read).length),
        ];
        """,
    )
    assert notices == [
        ["bell.failed", {"count": 2, "title": "P-2"}, "/files?state=failed"],
        ["bell.shared", {"title": "GARCIA, MARIA"}, "/studies/1.2?collection=user%3A8"],
        ["bell.shared", {"title": "1.2"}, "/studies/1.2?collection=user%3A8"],
        ["bell.failed", {"count": 1, "title": "c.dcm"}, "/results/c"],
    ]
    assert unread == [4, 2, 0]
