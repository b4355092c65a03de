"""The modules that decide what becomes of an upload, run in Chromium without any server."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page

from tests.unit.services.portal.test_scripts import page, run

__all__ = ["page"]
pytestmark = pytest.mark.browser

# A queue whose requests are answered by hand: `answers[name]` is {resolve, reject, onProgress, signal}, and
# `asked` has how each question whether the server is there is answered.
QUEUE = """
    const { UploadQueue } = await import('/upload/queue.js');
    const { outcomeOf } = await import('/upload/outcomes.js');
    const { ApiError, NetworkError } = await import('/app/api.js');
    const { SessionOver } = await import('/upload/request.js');
    const answers = {};
    const asked = [];
    const make = (more = {}) => new UploadQueue({
        send: (item, control) => new Promise((resolve, reject) => {
            answers[item.name] = { resolve, reject, ...control };
            control.signal.addEventListener('abort', () => reject(new DOMException('', 'AbortError')));
        }),
        isIndex: async (file) => file.name === 'index',
        ask: () => new Promise((resolve) => asked.push(resolve)),
        slots: () => 2,
        ...more,
    });
    const queue = make();
    const settled = () => new Promise((resolve) => setTimeout(resolve));
    const phases = (of = queue) => of.ledger.items.map((item) => item.phase);
    const found = (path, text = 'content') => ({
        path, size: text.length, file: new File([text], path.split('/').at(-1)),
    });
    const files = (...paths) => paths.map((path) => found(path));
    const answered = async (name) => { await settled(); return answers[name]; };
"""


def test_no_more_requests_run_than_there_are_slots(page: Page) -> None:
    before, after, active = run(
        page,
        QUEUE
        + """
        queue.add(files('a', 'b', 'c'));
        const before = phases();
        (await answered('a')).resolve({ id: '1', state: 'accepted' });
        await settled();
        return [before, phases(), queue.ledger.active];
        """,
    )
    assert before == ["sending", "sending", "waiting"]
    assert after == ["accepted", "sending", "sending"]
    assert active == 2


def test_each_answer_leads_to_its_outcome(page: Page) -> None:
    found = run(
        page,
        QUEUE
        + """
        queue.add(files('a', 'b', 'c', 'd', 'index', 'e', '.DS_Store'));
        (await answered('a')).resolve({ id: '1', state: 'accepted', duplicate: true });
        answers.b.reject(new ApiError(422, { code: 'not-dicom' }));
        (await answered('c')).reject(new ApiError(409, { code: 'conflict' }));
        answers.d.reject(new ApiError(413, { code: 'too-large' }));
        (await answered('e')).resolve({ id: '2', state: 'accepted', duplicate: true, queued_again: true });
        await settled();
        return [queue.ledger.items.map(outcomeOf), queue.ledger.counts, queue.ledger.total, queue.busy];
        """,
    )
    each = ["known", "foreign", "conflict", "failed", "omitted", "processing", "omitted"]
    assert found[0] == each
    assert found[1] == {name: each.count(name) for name in found[1]}
    assert found[2:] == [5, True]


def test_what_the_server_would_refuse_is_not_sent(page: Page) -> None:
    assert run(
        page,
        QUEUE
        + """
        const strict = make({ limits: () => ({ max_file_bytes: 7, accepted_extensions: ['.dcm'] }) });
        strict.add([...files('a.DCM', 'b.txt'), found('c.dcm', 'too long')]);
        await settled();
        const codes = strict.ledger.items.map((item) => item.problem?.code ?? '');
        return [phases(strict), Object.keys(answers), codes];
        """,
    ) == [["sending", "refused", "refused"], ["a.DCM"], ["", "unsupported-type", "too-large"]]


def test_a_result_that_comes_before_the_answer_is_not_lost(page: Page) -> None:
    assert run(
        page,
        QUEUE
        + """
        queue.add(files('a'));
        queue.learn('1', 'received');
        queue.learn('1', 'processed');
        (await answered('a')).resolve({ id: '1', state: 'accepted' });
        await settled();
        const early = phases();
        queue.learn('1', 'failed'); // a late event of the past: processed stands
        return [...early, ...phases(), queue.busy];
        """,
    ) == ["processed", "processed", False]


def test_a_lost_connection_pauses_and_goes_on_by_itself(page: Page) -> None:
    lost, again, failures, sent = run(
        page,
        QUEUE
        + """
        queue.add(files('a', 'b', 'c'));
        for (let round = 0; round < 4; round += 1) {
            for (const name of ['a', 'b']) (await answered(name)).reject(new NetworkError('gone'));
            await settled();
            var lost = [phases(), queue.holds.first.why];
            queue.holds.hurry();
            await settled();
            asked.shift()(false); // nobody there: that is no failure of the file
            await settled();
            queue.holds.hurry();
            await settled();
            asked.shift()(true);
            await settled();
            queue.cancel(queue.ledger.items[2]); // so that the same two are first in line
        }
        const again = phases();
        const failures = queue.ledger.items.map((item) => item.failures);
        (await answered('a')).resolve({ id: '1', state: 'accepted' });
        answers.b.resolve({ id: '2', state: 'accepted' });
        await settled();
        return [lost, again, failures, phases()];
        """,
    )
    assert lost == [["waiting", "waiting", "cancelled"], "network"]
    assert again == ["sending", "sending", "cancelled"]
    assert failures == [0, 0, 0]
    assert sent == ["accepted", "accepted", "cancelled"]


def test_a_file_that_breaks_thrice_while_the_server_answers_is_interrupted(page: Page) -> None:
    assert run(
        page,
        QUEUE
        + """
        queue.add(files('a'));
        const seen = [];
        for (let round = 0; round < 3; round += 1) {
            (await answered('a')).reject(new NetworkError('gone'));
            await settled();
            queue.holds.hurry();
            await settled();
            asked.shift()(true);
            await settled();
            seen.push(phases()[0]);
        }
        queue.retry(queue.ledger.items);
        return [...seen, ...phases(), queue.holds.first];
        """,
    ) == ["sending", "sending", "interrupted", "sending", None]


def test_a_server_that_asks_to_wait_is_waited_for(page: Page) -> None:
    why, code, waiting, tried, session = run(
        page,
        QUEUE
        + """
        queue.add(files('a', 'b'));
        (await answered('a')).reject(new ApiError(503, { code: 'unavailable', retry_after: 600 }));
        await settled();
        const { why, code } = queue.holds.first;
        const waiting = phases();
        queue.resume();
        await settled();
        const tried = phases();
        (await answered('a')).reject(new SessionOver());
        await settled();
        return [why, code, waiting, tried, [queue.holds.first.why, ...phases()]];
        """,
    )
    assert (why, code) == ("server", "unavailable")
    assert waiting == ["waiting", "sending"]
    assert tried == ["sending", "sending"]
    assert session == ["session", "waiting", "sending"]


def test_a_server_in_trouble_is_tried_thrice(page: Page) -> None:
    assert run(
        page,
        QUEUE
        + """
        queue.add(files('a', 'b'));
        for (const status of [500, 401, 500]) {
            (await answered('a')).reject(new ApiError(status, {}));
            (await answered('b')).resolve({ id: '1', state: 'accepted' });
        }
        await settled();
        return [...phases(), queue.holds.first];
        """,
    ) == ["interrupted", "accepted", None]


def test_what_was_paused_or_cancelled_can_be_sent_again(page: Page) -> None:
    paused, resumed, cancelled, left = run(
        page,
        QUEUE
        + """
        queue.add(files('x/a', 'x/b', 'c'));
        await settled();
        answers.b.onProgress(7); // all of it is there: its answer is worth waiting for
        queue.pause();
        await settled();
        const paused = [phases(), queue.ledger.sent];
        queue.resume();
        await settled();
        const resumed = phases();
        queue.cancelAll();
        await settled();
        const cancelled = phases();
        queue.retry(queue.ledger.items.slice(0, 1));
        (await answered('a')).resolve({ id: '1', state: 'accepted', study_instance_uid: '1.2' });
        await settled();
        queue.learn('1', 'processed');
        const studies = [...queue.ledger.studies.values()];
        queue.clear();
        return [paused, resumed, cancelled, [studies, queue.ledger.items.length, queue.ledger.bytes]];
        """,
    )
    assert paused == [["waiting", "checking", "waiting"], 7]
    assert resumed == ["waiting", "checking", "sending"]
    assert cancelled == ["cancelled", "cancelled", "cancelled"]
    assert left == [[{"uid": "1.2", "collection": "", "files": 1, "known": True}], 0, 0]


def test_what_is_no_image_is_set_aside_by_its_name(page: Page) -> None:
    names = {
        "litter": [
            "a/.DS_Store",
            "._IM1",
            "Thumbs.db",
            "x/desktop.ini",
            "__MACOSX/IM1",
            "$RECYCLE.BIN/IM1",
        ],
        "index": ["CD/DICOMDIR", "dicomdir"],
        "autorun": ["AUTORUN.INF", "cd/autorun.inf"],
        "program": ["VIEWER/viewer.exe", "a.DLL", "Viewer.app/Contents/MacOS/x", "setup.msi"],
        "archive": ["cd.zip", "a.tar.gz", "b.tgz", "c.tar"],
        "": ["IM1", "a/b.dcm", "1.2.840.113619", "exe", "I0000001", "notes.txt", "zip/IM1", "DICOMDIR1"],
    }
    every = [(path, reason) for reason, paths in names.items() for path in paths]
    found = run(
        page,
        f"""
        const {{ setAside }} = await import('/upload/triage.js');
        return {[path for path, _ in every]}.map(setAside);
        """,
    )
    assert list(zip([path for path, _ in every], found, strict=True)) == every


def test_the_index_of_a_disc_is_told_by_its_first_bytes(page: Page) -> None:
    assert run(
        page,
        r"""
        const { isIndex } = await import('/upload/triage.js');
        const head = (uid, mark = 'DICM') => Uint8Array.from(
            `${'\0'.repeat(128)}${mark}\x02\0\0\0UL\x04\0\xc0\0\0\0\x02\0\x02\0UI${String.fromCharCode(uid.length)}\0${uid}`,
            (character) => character.charCodeAt(0));
        const uid = '1.2.840.10008.1.3.10';
        const heads = [head(uid), head(`${uid}\0`), head(`${uid}1`), head('1.2.840.10008.5.1.4.1.1.2'),
            head(uid, 'DICX'), new Uint8Array(3)];
        return heads.map(isIndex);
        """,
    ) == [True, True, False, False, False, False]


def test_a_table_for_spreadsheets_holds_no_formula(page: Page) -> None:
    assert run(
        page,
        """
        const { csv } = await import('/upload/csv.js');
        return csv([['=1+1', '@x', '-a', '+b', 'a"b', 'c,d', 12, -3, null], ['e;f', ' g', 'plain']], ';');
        """,
    ) == ('\ufeff"\'=1+1";"\'@x";"\'-a";"\'+b";"a""b";"c,d";12;-3;\r\n"e;f";" g";plain\r\n')


def test_speed_is_that_of_the_last_seconds(page: Page) -> None:
    rates, clocks = run(
        page,
        """
        const { Speed, clock } = await import('/upload/speed.js');
        const speed = new Speed();
        const rates = [];
        const noted = [[0, 0], [500, 500], [1000, 1000], [1000, 15000], [9000, 16000], [0, 16500]];
        for (const [bytes, now] of noted) {
            speed.note(bytes, now);
            rates.push(speed.rate);
        }
        return [rates, [0, 18, 61.2, 3725].map(clock)];
        """,
    )
    assert rates == [0, 0, 1000, 0, pytest.approx(8000 / 15), 0]
    assert clocks == ["00:00", "00:18", "01:02", "1:02:05"]


def test_only_counts_of_what_was_left_are_kept(page: Page) -> None:
    found: list[Any] = run(
        page,
        """
        const { Remains } = await import('/upload/remains.js');
        const first = new Remains(7);
        first.note(178);
        const kept = localStorage.getItem('dicom.upload.7');
        const again = new Remains(7).left;
        const others = new Remains(8).left;
        const tab = sessionStorage.getItem('dicom.tab');
        sessionStorage.setItem('dicom.tab', 'another'); // in which the upload may still go on
        const elsewhere = new Remains(7).left;
        sessionStorage.setItem('dicom.tab', tab);
        const last = new Remains(7);
        last.note(0); // nothing is sent yet: it is still what was left
        const untouched = new Remains(7).left;
        last.note(3);
        last.note(0);
        return [Object.keys(JSON.parse(kept)), again, others, elsewhere, untouched, new Remains(7).left];
        """,
    )
    assert found == [["left", "tab", "at"], 178, 0, 0, 178, 0]


def test_many_files_come_in_portions_with_their_paths(page: Page) -> None:
    portions, first = run(
        page,
        """
        const { picked } = await import('/upload/walk.js');
        const files = Array.from({ length: 700 }, (_, at) => {
            const file = new File([''], `IM${at}`);
            Object.defineProperty(file, 'webkitRelativePath', { value: `CD/${file.name}` });
            return file;
        });
        const portions = [];
        for await (const portion of picked(files)) portions.push(portion.files);
        return [portions.map((portion) => portion.length), portions[0][0].path];
        """,
    )
    assert sum(portions) == 700
    assert max(portions) <= 250
    assert first == "CD/IM0"
