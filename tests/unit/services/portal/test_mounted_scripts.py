"""Components of the portal in Chromium, with answers that the test gives: what trouble loses, and says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.unit.services.portal.test_scripts import portal_page

pytestmark = pytest.mark.browser

MOUNT = """
    const { render } = await import('/vendor/preact.mjs');
    const { html } = await import('/ui/html.js');
    const { loadAreas, useLanguage } = await import('/app/i18n.js');
    await useLanguage('en');
    await loadAreas(['account', 'admin', 'operations', 'results', 'shares', 'studies', 'upload', 'viewer']);
    const main = document.body.appendChild(document.createElement('main'));
    const until = async (what) => {
        for (let turn = 0; turn < 250; turn += 1) {
            const found = what();
            if (found) return found;
            await new Promise((resolve) => wait(resolve, 20));
        }
        throw new Error(`never: ${what} in ${document.body.innerText}`);
    };
    const wait = window.setTimeout.bind(window);
    const button = (label, within = document) =>
        [...within.querySelectorAll('button')].find((one) => one.textContent.trim() === label);
    const type = (name, value) => {
        const field = main.querySelector(`[name="${name}"]`);
        field.value = value;
        field.dispatchEvent(new Event('input', { bubbles: true }));
    };
    const sound = window.fetch;
    // What lies below /api/ is answered by `answers`: a value, or what gives one; a number is a status.
    const asked = [];
    const answers = {};
    window.fetch = async (path, options = {}) => {
        const url = new URL(path, location);
        if (!url.pathname.startsWith('/api/')) return sound(path, options);
        const key = `${options.method ?? 'GET'} ${url.pathname}`;
        asked.push(options.body ? [key, JSON.parse(options.body)] : [key]);
        let answer = answers[key];
        if (typeof answer === 'function') answer = await answer(options, url);
        if (answer === 503) answer = Response.json({ code: 'unavailable' }, { status: answer });
        if (typeof answer === 'number') answer = Response.json({ code: 'x' }, { status: answer });
        if (answer instanceof Response) return answer;
        if (answer === undefined) throw new TypeError('Failed to fetch');
        return Response.json(answer);
    };
    const live = Object.assign(new EventTarget(), { start() {}, state: 'on' });
    const { onToasts } = await import('/app/toasts.js');
    const toasts = [];
    onToasts((shown) => {
        toasts.splice(0, toasts.length, ...shown.map(({ text, tone }) => `${tone}: ${text}`));
    });
"""


@pytest.fixture
def page() -> Iterator[Page]:
    with portal_page("Europe/Madrid") as made:
        yield made


def run(page: Page, body: str) -> Any:
    return page.evaluate(f"async () => {{ {MOUNT} {body} }}")


FORM = """
    const { ChangePage } = await import('/admin/form.js');
    let row = { id: 7, name: 'first', email: 'a@example.org', locked: true };
    const descriptor = {
        name: 'users', icon: 'person', path: '/api/users',
        permissions: { view: 'view_user', change: 'change_user', delete: 'delete_user' },
        key: (one) => String(one.id), title: (one) => one.name,
        fields: [{ name: 'first_name', read: (one) => one.name }, { name: 'email' }],
        actions: [{ name: 'unlock', permission: null,
            run: (one) => fetch(`/api/users/${one.id}/unlock`, { method: 'POST' }) }],
    };
    const user = { user_id: 1, permissions: ['view_user', 'change_user', 'delete_user'] };
    answers['GET /api/users/7'] = () => row;
    answers['POST /api/users/7/unlock'] = () => (row = { ...row, locked: false, name: 'unlocked' });
    answers['PATCH /api/users/7'] = ({ body }) => (row = { ...row, ...JSON.parse(body) });
    render(html`<${ChangePage} descriptor=${descriptor} work=${{ user }} objectKey="7" />`, main);
    await until(() => main.querySelector('form'));
    const value = (name) => main.querySelector(`[name="${name}"]`).value;
    const looks = () => asked.filter(([key]) => key === 'GET /api/users/7').length;
    const unlock = async () => {
        button('Unlock').click();
        const dialog = await until(() => document.querySelector('dialog'));
        const before = looks();
        button('Unlock', dialog).click();
        await until(() => looks() > before && !document.querySelector('dialog'));
        await new Promise((resolve) => wait(resolve, 50));
    };
"""


def test_an_action_on_an_object_keeps_what_was_typed_into_its_form(page: Page) -> None:
    kept, saved, after = run(
        page,
        FORM
        + """
        type('email', 'typed@example.org');
        await until(() => button('Undo the changes'));
        await unlock();
        const kept = [value('email'), value('first_name'), main.querySelector('h1').textContent,
            main.querySelector('.notice')];
        answers['GET /api/users/7'] = 503;
        await unlock();
        kept.push(value('email'), main.querySelector('.notice').textContent.includes('what was known last'));
        answers['GET /api/users/7'] = () => row;
        button('Try again').click();
        await until(() => !main.querySelector('.notice'));
        button('Save').click();
        await until(() => asked.some(([key]) => key === 'PATCH /api/users/7'));
        await until(() => !button('Undo the changes'));
        return [kept, asked.find(([key]) => key === 'PATCH /api/users/7')[1],
            [value('email'), main.querySelector('.notice')]];
        """,
    )
    assert kept == ["typed@example.org", "unlocked", "unlocked", None, "typed@example.org", True]
    assert saved == {"email": "typed@example.org"}
    assert after == ["typed@example.org", None]


def test_what_somebody_else_changed_meanwhile_is_told_before_it_is_replaced(page: Page) -> None:
    told, undone, saved = run(
        page,
        FORM
        + """
        const patched = () => asked.filter(([key]) => key === 'PATCH /api/users/7');
        const conflict = () => main.querySelector('.notice.bad[role="alert"]');
        type('email', 'mine@example.org');
        row = { ...row, email: 'theirs@example.org' };
        (await until(() => !button('Save').disabled && button('Save'))).click();
        const told = [(await until(conflict)).textContent, patched().length, value('email')];
        button('Undo the changes').click();
        await until(() => !conflict());
        const undone = value('email');
        type('email', 'mine@example.org');
        row = { ...row, email: 'again@example.org' };
        (await until(() => !button('Save').disabled && button('Save'))).click();
        await until(conflict);
        button('Save').click();
        await until(() => patched().length > 0 && !conflict());
        return [told, undone, [patched(), row.email]];
        """,
    )
    assert "Mail: theirs@example.org" in told[0]
    assert told[1:] == [0, "mine@example.org"]
    assert undone == "theirs@example.org"
    assert saved == [[["PATCH /api/users/7", {"email": "mine@example.org"}]], "mine@example.org"]


def test_what_was_typed_into_the_form_of_what_is_deleted_is_not_asked_about(page: Page) -> None:
    asks, leads, deleted = run(
        page,
        FORM
        + """
        const { go } = await import('/app/router.js');
        answers['DELETE /api/users/7'] = null;
        type('email', 'typed@example.org');
        await until(() => button('Undo the changes'));
        go('/studies');
        const dialog = await until(() => document.querySelector('dialog'));
        const asks = [dialog.textContent.includes('unsaved changes'), location.pathname];
        button('Keep editing', dialog).click();
        await until(() => !document.querySelector('dialog'));
        (await until(() => button('Delete'))).click();
        button('Delete', await until(() => document.querySelector('dialog'))).click();
        await until(() => location.pathname === '/admin/users');
        await new Promise((resolve) => wait(resolve, 50));
        return [asks, document.querySelector('dialog'), asked.at(-1)];
        """,
    )
    assert asks == [True, "/"]
    assert leads is None
    assert deleted == ["DELETE /api/users/7"]


SHARES = """
    const { ShareDialog } = await import('/shares/share-dialog.js');
    const refusals = { b: 'only-to-see', c: 'too-many-shares' };
    const things = ['a', 'b', 'c', 'd'].map((id) => ({ title: `Study ${id}`, item: { study: id } }));
    const people = ['Leo', 'Eva'].map((name, at) => ({ kind: 'user', id: 8 + at, name, full_name: '' }));
    answers['GET /api/auth/directory'] = (_, url) =>
        ({ entries: people.filter(({ name }) => name === url.searchParams.get('q')) });
    answers['POST /api/shares'] = ({ body }) => {
        const code = refusals[JSON.parse(body).study];
        return code === undefined ? { id: 1 } : Response.json({ code }, { status: 403 });
    };
    const user = { user_id: 1, permissions: ['share_dicomfile'] };
    render(html`<${ShareDialog} things=${things} user=${user} onClose=${() => {}} />`, main);
    const choose = async (name) => {
        const option = await until(() => {
            if (main.querySelector('[name="grantee"]').value !== name) type('grantee', name);
            return main.querySelector('[role="option"]');
        });
        option.click();
        await until(() => !main.querySelector('[role="option"]'));
    };
    const sent = () => asked.filter(([key]) => key === 'POST /api/shares')
        .map(([, { study, grantee }]) => `${study} ${JSON.stringify(grantee)}`);
    const share = () => main.querySelector('form.share-form [type="submit"]');
"""


def test_one_study_that_is_refused_keeps_no_other_from_being_shared(page: Page) -> None:
    told, again, somebody = run(
        page,
        SHARES
        + """
        await choose('Leo');
        share().click();
        const notice = await until(() => main.querySelector('.notice.bad'));
        const told = [notice.querySelector('p').textContent,
            [...notice.querySelectorAll('li')].map((one) => one.textContent), share().textContent];
        delete refusals.b;
        delete refusals.c;
        asked.length = 0;
        share().click();
        await until(() => !main.querySelector('.notice.bad'));
        const again = [sent().map((one) => one[0]), toasts[0], share().textContent];
        refusals.d = 'only-to-see';
        await choose('Leo');
        share().click();
        await until(() => main.querySelector('.notice.bad'));
        await choose('Eva');
        await until(() => !main.querySelector('.notice.bad'));
        asked.length = 0;
        share().click();
        await until(() => main.querySelector('.notice.bad'));
        return [told, again, sent().map((one) => one[0])];
        """,
    )
    assert told == [
        "2 of 4 studies were shared with Leo. These were not:",
        [
            "Study b: You may see this, and not share it: whoever manages all of it may.",
            "Study c: This is shared too often already, or too much is; take something back first.",
        ],
        "Try the 2 refused again",
    ]
    assert again == [["b", "c"], "good: 2 studies shared with Leo.", "Share"]
    assert somebody == ["a", "b", "c", "d"]


def test_what_is_refused_of_all_studies_alike_is_said_once(page: Page) -> None:
    told = run(
        page,
        SHARES
        + """
        for (const { item } of things) refusals[item.study] = 'end-too-late';
        await choose('Leo');
        share().click();
        const notice = await until(() => main.querySelector('.notice.bad'));
        return [notice.textContent, share().textContent, sent().length];
        """,
    )
    assert told == ["It cannot be shared for so long: choose an earlier day.", "Share", 4]


JOB = """
    const waits = [];
    window.setTimeout = (work, time) => {
        if (time >= 1000 && time !== 6000) waits.push(time);
        return wait(work, time >= 1000 ? 0 : time);
    };
    const { actions, retryAll } = await import('/app/actions.js');
    const { ActionsProgress } = await import('/ui/selection-bar.js');
    const job = { id: 'j', state: 'running', total: 10, processed: 2, failed: 0 };
    answers['POST /api/results/actions'] = job;
    render(html`<${ActionsProgress} />`, main);
    await new Promise((resolve) => wait(resolve, 100)); // it listens
"""


def test_a_job_that_cannot_be_asked_for_is_asked_for_again(page: Page) -> None:
    taken, waits, shown, said = run(
        page,
        JOB
        + """
        const given = [503, undefined, 502, { ...job, processed: 4 }, 500];
        const shown = [];
        answers['GET /api/results/actions/j'] = async () => {
            await new Promise((resolve) => wait(resolve, 50));
            shown.push([main.textContent.includes('2 of 10'), main.textContent.includes('asked again')]);
            if (given.length === 0) return { ...job, state: 'done', processed: 9, failed: 1 };
            const answer = given.shift();
            if (answer === undefined) throw new TypeError('Failed to fetch');
            return typeof answer === 'number' ? Response.json({}, { status: answer }) : answer;
        };
        return [await retryAll({ ids: ['a'] }), waits, shown, [toasts, actions.running.length]];
        """,
    )
    assert taken is True
    assert waits == [1000, 2000, 4000, 8000, 1000, 2000]
    assert shown == [[True, False], [True, True], [True, True], [True, True], [False, False], [False, True]]
    assert said == [["bad: 10 files tried again. 1 failed again."], 0]


def test_a_job_is_given_up_when_the_server_says_so_or_the_reader(page: Page) -> None:
    gone, refused, left = run(
        page,
        JOB
        + """
        const told = [];
        for (const status of [404, 403]) {
            answers['GET /api/results/actions/j'] = status;
            told.push([await retryAll({ ids: ['a'] }), waits.length]);
        }
        window.setTimeout = wait;
        answers['GET /api/results/actions/j'] = 503;
        const waiting = retryAll({ ids: ['a'] });
        (await until(() => button('Do not wait'))).click();
        told.push([await waiting, toasts.at(-1), main.querySelector('.actions-progress')]);
        return told;
        """,
    )
    assert gone == [True, 1]
    assert refused == [False, 2]
    assert left == [False, "good: It goes on on the server; the list shows what comes of it.", None]


def test_studies_that_were_not_begun_are_counted(page: Page) -> None:
    said = run(
        page,
        """
        const { choicesFor } = await import('/studies/bulk.js');
        const rows = ['a', 'b', 'c'].map((id) =>
            ({ study_instance_uid: id, collection: `user:${id}`, files_failed: 1 }));
        const listing = { rows, everything: false, selected: new Set(['a', 'b', 'c']),
            keyOf: (row) => row.study_instance_uid };
        answers['POST /api/results/actions'] = ({ body }) => JSON.parse(body).where.studies[0] === 'a'
            ? { id: 'j', state: 'done', total: 1, processed: 1, failed: 0 }
            : Response.json({ code: 'conflict' }, { status: 409 });
        const [retry] = choicesFor(listing, { permissions: ['retry_dicomfile'] });
        await retry.onSelect();
        return toasts;
        """,
    )
    assert said == [
        "good: 1 file tried again.",
        "bad: Several tasks of yours run already: wait for one to end.",
        "bad: 1 more study was not begun.",
    ]


DRAWN = """
    const { ResultWindow } = await import('/viewer/result-window.js');
    const instance = { file_id: 'f', kind: 'image', state: 'processed', frames: 1, error: null, rows: 4,
        columns: 4, values: 'uint8', samples: 1, photometric: 'MONOCHROME2', bits_stored: 8, signed: false,
        float: false, slope: 1, intercept: 0, unit: null, windows: [{ center: 4, width: 8 }], voi_lut: null,
        presentation_inverse: false, padding: null, range: null, spacing: null, spacing_kind: 'none',
        pixel_aspect: null, regions: [] };
    const stack = { modality: 'CT', instances: [instance],
        groups: [{ order: 'number', normal: null, frames: [[0, 1]] }] };
    answers['GET /api/series/s/stack'] = stack;
    answers['GET /api/results/f/frames/1'] = () => new Response(new Uint8Array(16).map((_, at) => at),
        { headers: { 'X-Frame-Values': 'uint8' } });
    const result = { file_id: 'f', file_name: 'f.dcm', series_instance_uid: 's', collection: '',
        statistics: null };
    const show = () => render(html`<${ResultWindow} result=${result} onWindow=${() => {}} />`, main);
    const failed = () => main.querySelector('.error-state');
"""


def test_a_picture_whose_values_could_not_be_had_is_asked_for_again(page: Page) -> None:
    drawn = run(
        page,
        DRAWN
        + """
        const given = answers['GET /api/results/f/frames/1'];
        answers['GET /api/results/f/frames/1'] = 404;
        show();
        await until(failed);
        answers['GET /api/results/f/frames/1'] = given;
        button('Try again').click();
        await until(() => main.querySelector('canvas.drawn'));
        await until(() => document.activeElement.className === 'drawn-frame');
        return failed();
        """,
    )
    assert drawn is None


def test_what_goes_wrong_without_a_code_is_said_in_words(page: Page) -> None:
    damaged, browsers, servers = run(
        page,
        DRAWN
        + """
        answers['GET /api/results/f/frames/1'] = () => new Response(new Uint8Array(3));
        show();
        await until(failed);
        const damaged = [failed().querySelector('p').textContent, failed().querySelector('code')];
        const { ErrorState } = await import('/ui/states.js');
        const { ApiError } = await import('/app/api.js');
        const said = [new TypeError('x'), new DOMException('x', 'InvalidStateError'),
            new ApiError(503, { code: 'new' })].map((error) => {
                render(html`<${ErrorState} error=${error} />`, main);
                return failed().innerText.trim();
            });
        return [damaged, said.slice(0, 2), said[2].includes('(new)')];
        """,
    )
    assert damaged == ["This image arrived damaged.", None]
    assert browsers == ["Something unexpected went wrong."] * 2
    assert servers is True


def test_a_picture_whose_series_could_not_be_had_is_asked_for_again(page: Page) -> None:
    waits, drawn = run(
        page,
        DRAWN
        + """
        answers['GET /api/series/s/stack'] = 503;
        show();
        await until(failed);
        let answer;
        answers['GET /api/series/s/stack'] = () => new Promise((resolve) => (answer = resolve));
        button('Try again').click();
        await until(() => !failed());
        const waits = main.querySelector('.skeleton') !== null;
        answer(stack);
        await until(() => main.querySelector('canvas.drawn'));
        return [waits, failed()];
        """,
    )
    assert waits is True
    assert drawn is None


def test_a_picture_that_cannot_be_drawn_stays_as_the_server_drew_it(page: Page) -> None:
    picture = '<svg xmlns="http://www.w3.org/2000/svg" width="4" height="4"/>'
    drawn = {"body": picture, "content_type": "image/svg+xml"}
    page.route("**/f/thumbnail?*", lambda route: route.fulfill(**drawn))
    absent, huge, document = run(
        page,
        DRAWN
        + """
        const { Image } = await import('/results/image.js');
        const histogram = { counts: [1, 2], min: 0, max: 15 };
        const whole = { ...result, state: 'processed', thumbnail: true, statistics: { histogram },
            raw_data: {} };
        const said = [];
        for (const other of [{ file_id: 'g' }, { rows: 20000, columns: 20000 }, { kind: 'document' }]) {
            answers['GET /api/series/s/stack'] = { ...stack, instances: [{ ...instance, ...other }] };
            render(html`<${Image} key=${said.length} result=${whole} />`, main);
            (await until(() => button('Adjust the window'))).click();
            const notice = await until(() => main.querySelector('.image-card .notice'));
            await until(() => document.activeElement === notice);
            said.push([notice.textContent, main.querySelector('.image-card img') !== null,
                main.querySelector('.skeleton')]);
        }
        return said;
        """,
    )
    assert absent[0].startswith("The window of this image cannot be changed here")
    assert absent == huge == document
    assert absent[1:] == [True, None]


def test_a_result_that_cannot_be_asked_for_anew_stays_and_says_so(page: Page) -> None:
    stays, again, gone = run(
        page,
        """
        const { View } = await import('/results/result-page.js');
        const result = { file_id: 'f', file_name: 'first.dcm', state: 'processed', owner_id: 1,
            received_at: '2026-01-01T00:00:00Z', study_instance_uid: null, series_instance_uid: null,
            collection: 'user:1', warnings: [], statistics: null, raw_data: {} };
        const work = { live, user: { user_id: 1, staff: false, permissions: [] } };
        const path = 'GET /api/results/f';
        answers[path] = result;
        answers['GET /api/results/f/neighbours'] = { count: 1, position: 1, previous: null, next: null };
        render(html`<${View} work=${work} parameters=${['f']} />`, main);
        await until(() => main.querySelector('.result-head'));
        answers[path] = 503;
        live.dispatchEvent(new CustomEvent('change', { detail: { file_id: 'f' } }));
        const notice = await until(() => main.querySelector('.notice.bad[role="status"]'));
        const stays = [main.querySelector('h1').textContent, notice.textContent.includes('known last'),
            main.querySelector('.error-state')];
        answers[path] = { ...result, file_name: 'second.dcm' };
        button('Try again', notice).click();
        await until(() => !main.querySelector('.notice.bad'));
        const again = main.querySelector('h1').textContent;
        answers[path] = 404;
        live.dispatchEvent(new CustomEvent('resync'));
        await until(() => main.querySelector('.empty-state'));
        return [stays, again, main.textContent.includes('second.dcm')];
        """,
    )
    assert stays == ["first.dcm", True, None]
    assert again == "second.dcm"
    assert gone is False


STUDY = """
    const { View } = await import('/studies/study-page.js');
    const study = { study_instance_uid: '1.2', collection: 'user:1', patient_name: 'A^B', patient_id: '',
        patient_birth_date: null, patient_sex: null, study_description: 'first', study_date: null,
        study_time: null, accession_number: '', referring_physician_name: '', modalities: [], devices: [],
        series_count: 0, instances: 0, series: [], whole: true, collections: [], files_processed: 1,
        files_received: 0, files_failed: 0 };
    answers['GET /api/studies/1.2'] = study;
    const file = { file_id: 'f', file_name: 'f.dcm', state: 'processed', thumbnail: false, size_bytes: 1,
        average_before_normalization: 1, average_after_normalization: 1, series_instance_uid: null };
    answers['GET /api/results'] = { results: [file], next_cursor: null };
    const work = { live, user: { user_id: 1, staff: false, permissions: [] } };
    const place = { path: '/studies/1.2', query: '', key: 'x', back: false };
    render(html`<${View} work=${work} place=${place} parameters=${['1.2']} />`, main);
    await until(() => main.querySelector('.grid tbody tr[data-key]'));
    const notices = () => [...main.querySelectorAll('.notice.bad[role="status"]')];
"""


def test_a_study_and_its_files_say_how_old_they_are(page: Page) -> None:
    stays, again = run(
        page,
        STUDY
        + """
        answers['GET /api/studies/1.2'] = 503;
        answers['GET /api/results'] = 503;
        live.dispatchEvent(new CustomEvent('change'));
        await until(() => notices().length === 2);
        const stays = [main.textContent.includes('first'), main.textContent.includes('f.dcm'),
            notices().map((one) => one.textContent.includes('known last'))];
        answers['GET /api/studies/1.2'] = { ...study, study_description: 'second' };
        answers['GET /api/results'] = { results: [{ ...file, file_name: 'g.dcm' }], next_cursor: null };
        const inFiles = main.querySelector('[aria-labelledby="files-heading"] .notice');
        button('Try again', inFiles).click();
        await until(() => main.textContent.includes('g.dcm') && notices().length === 1);
        button('Try again', notices()[0]).click();
        await until(() => main.textContent.includes('second') && notices().length === 0);
        return [stays, true];
        """,
    )
    assert stays == [True, True, [True, True]]
    assert again is True


def test_a_part_of_the_account_says_how_old_it_is(page: Page) -> None:
    stays, again, other = run(
        page,
        """
        const { ApiKeys } = await import('/account/api-keys.js');
        const { Sessions } = await import('/account/sessions.js');
        const key = { id: 1, name: 'scanner', prefix: 'abc', permissions: null,
            expires_at: '2030-01-01T00:00:00Z', last_used_at: null };
        const path = 'GET /api/auth/me/api-keys';
        answers[path] = { api_keys: [key, { ...key, id: 2, name: 'script' }] };
        answers['DELETE /api/auth/me/api-keys/1'] = null;
        render(html`<${ApiKeys} user=${{ permissions: [] }} />`, main);
        (await until(() => button('Revoke'))).click();
        const dialog = await until(() => document.querySelector('dialog'));
        answers[path] = 503;
        button('Revoke', dialog).click();
        const notice = () => main.querySelector('.notice.bad[role="status"]');
        await until(notice);
        const stays = [notice().textContent.includes('known last'), main.textContent.includes('scanner')];
        answers[path] = { api_keys: [{ ...key, id: 2, name: 'script' }] };
        button('Try again').click();
        await until(() => !notice());
        const again = [main.textContent.includes('scanner'), main.textContent.includes('script')];
        const session = { id: 's', current: false, user_agent: '', remote_address: '192.0.2.1',
            application: null, created_at: '2026-01-01T00:00:00Z', last_used_at: '2026-01-01T00:00:00Z' };
        answers['GET /api/auth/me/sessions'] = { sessions: [session] };
        answers['DELETE /api/auth/me/sessions/s'] = null;
        render(html`<${Sessions} />`, main);
        const end = await until(() => main.querySelector('.account-list button'));
        answers['GET /api/auth/me/sessions'] = 503;
        end.click();
        await until(notice);
        return [stays, again, main.textContent.includes('192.0.2.1')];
        """,
    )
    assert stays == [True, True]
    assert again == [False, True]
    assert other is True


ROWS = """
    const { Listing } = await import('/app/listing.js');
    const { SelectionBar } = await import('/ui/selection-bar.js');
    const { choicesFor } = await import('/studies/bulk.js');
    const all = Array.from({ length: 130 }, (_, at) =>
        ({ study_instance_uid: `${at}`, collection: 'user:1', files_failed: 1 }));
    let complete = true;
    answers['GET /api/studies/facets'] = () => ({ total: 130, complete, facets: {} });
    const give = (_, url) => {
        const from = Number(url.searchParams.get('cursor') ?? 0);
        const end = Math.min(from + Number(url.searchParams.get('limit')), all.length);
        return { studies: all.slice(from, end), next_cursor: end < all.length ? `${end}` : null };
    };
    answers['GET /api/studies'] = give;
    answers['POST /api/results/actions'] = { id: 'j', state: 'done', total: 1, processed: 1, failed: 0 };
    const make = () => new Listing({ path: '/api/studies', items: 'studies', filter: {}, sort: '',
        keyOf: (row) => row.study_instance_uid, parameters: (filter) => filter });
    let listing = make();
    const draw = () => {
        const choices = choicesFor(listing, { permissions: ['retry_dicomfile'] });
        render(html`<${SelectionBar} listing=${listing} choices=${choices} />`, main);
        return main.querySelector('strong')?.textContent;
    };
    const acted = () => asked.filter(([key]) => key === 'POST /api/results/actions')
        .flatMap(([, { where }]) => where.studies).length;
"""


def test_a_choice_says_of_how_many_it_is(page: Page) -> None:
    said = run(
        page,
        ROWS
        + """
        await listing.load();
        const said = [];
        listing.select(new Set(['0']));
        said.push(draw());
        const loaded = new Set(listing.rows.map(({ study_instance_uid: uid }) => uid));
        listing.select(loaded);
        said.push(draw(), button('Select all 130 that match') !== undefined);
        listing.select(loaded, true);
        said.push(draw());
        complete = false; // it is counted no further
        listing = make();
        await listing.load();
        listing.select(loaded);
        said.push(draw(), button('Select all that match') !== undefined);
        listing.select(loaded, true);
        said.push(draw());
        return said;
        """,
    )
    assert said == [
        "1 of 130 selected",
        "50 of 130 selected",
        True,
        "130 selected",
        "50 of 130 or more selected",
        True,
        "All that match are selected",
    ]


def test_all_that_match_are_acted_on_or_none(page: Page) -> None:
    none, every = run(
        page,
        ROWS
        + """
        await listing.load();
        listing.select(new Set(['0']), true);
        draw();
        answers['GET /api/studies'] = 503;
        button('Retry what failed').click();
        const none = [await until(() => toasts[0]), acted(), (await listing.all()).length];
        answers['GET /api/studies'] = give; // that rows are old keeps nobody from choosing all
        button('Retry what failed').click();
        await until(() => toasts.length > 1);
        return [none, acted()];
        """,
    )
    assert none == [
        "bad: The service is not available right now; you can try again. "
        "Nothing was done: of all that match, only 50 could be loaded. Try again.",
        0,
        50,
    ]
    assert every == 130


def test_all_that_match_are_shared_or_none(page: Page) -> None:
    none, every, sent = run(
        page,
        ROWS
        + """
        const { View } = await import('/studies/list-page.js');
        const none = { patient_name: '', patient_id: '', patient_birth_date: null, patient_sex: null,
            study_description: '', study_date: null, modalities: [], series_count: 1, instances: 1,
            files_processed: 1, files_received: 0, received_at: '2026-01-01T00:00:00Z', cover: null };
        for (const row of all) Object.assign(row, none);
        const work = { live, user: { user_id: 1, staff: false, permissions: ['share_dicomfile'] } };
        const place = { path: '/studies', query: '', key: 'x', back: false };
        render(html`<${View} work=${work} place=${place} />`, main);
        (await until(() => main.querySelector('thead [type="checkbox"]'))).click();
        const region = await until(() => main.querySelector('.selection-bar'));
        answers['GET /api/studies'] = 503;
        (await until(() => button('Select all 130 that match'))).click();
        await until(() => region.textContent.includes('130 selected'));
        const share = () => button('Share', region);
        share().click();
        const told = [await until(() => toasts[0]), document.querySelector('dialog')];
        answers['GET /api/studies'] = give;
        answers['GET /api/auth/directory'] =
            { entries: [{ kind: 'user', id: 8, name: 'Leo', full_name: '' }] };
        answers['POST /api/shares'] = { id: 1 };
        share().click();
        const dialog = await until(() => document.querySelector('dialog'));
        const count = dialog.querySelector('.share-dialog p').textContent;
        const who = dialog.querySelector('[name="grantee"]');
        who.value = 'Leo';
        who.dispatchEvent(new Event('input', { bubbles: true }));
        (await until(() => dialog.querySelector('[role="option"]'))).click();
        await until(() => !dialog.querySelector('[role="option"]'));
        dialog.querySelector('.share-form [type="submit"]').click();
        await until(() => toasts.some((text) => text.includes('shared with Leo')));
        const sent = asked.filter(([key]) => key === 'POST /api/shares');
        return [told, count, new Set(sent.map(([, { study_instance_uid: uid }]) => uid)).size];
        """,
    )
    assert none == [
        "bad: The service is not available right now; you can try again. "
        "Nothing was done: of all that match, only 50 could be loaded. Try again.",
        None,
    ]
    assert "130" in every
    assert sent == 130


def test_of_files_that_have_not_failed_none_is_tried_again(page: Page) -> None:
    said, where = run(
        page,
        """
        const { choicesFor } = await import('/results/list.js');
        answers['POST /api/results/actions'] = { id: 'j', state: 'done', total: 1, processed: 1, failed: 0 };
        const said = [];
        for (const state of ['processed,received', 'processed,failed']) {
            const listing = { rows: [], selected: new Set(['f']), everything: true, filter: { state } };
            await choicesFor(listing, { permissions: ['retry_dicomfile'] })[0].onSelect();
            said.push(toasts.at(-1));
        }
        return [said, asked.map(([, body]) => body.where)];
        """,
    )
    assert said == ["good: None of them failed.", "good: 1 file tried again."]
    assert where == [{"state": "failed"}]


def test_a_click_without_a_network_says_so(page: Page) -> None:
    download, compare, found = run(
        page,
        """
        const { Heading } = await import('/results/heading.js');
        const result = { file_id: 'f', file_name: 'f.dcm', state: 'processed', owner_id: 1,
            received_at: '2026-01-01T00:00:00Z', study_instance_uid: null, series_instance_uid: null,
            collection: 'user:1' };
        const user = { user_id: 1, staff: false, permissions: ['view_dicomfile'] };
        render(html`<${Heading} result=${result} neighbours=${null} user=${user} />`, main);
        main.querySelector('a[download]').click();
        const download = await until(() => toasts[0]);
        button('Compare with…').click();
        const compare = (await until(() => document.querySelector('dialog .notice.bad'))).textContent;
        answers['GET /api/results'] = { results: [{ file_id: 'g', file_name: 'g.dcm' }] };
        button('Try again').click();
        await until(() => document.querySelector('dialog .compare-row'));
        return [download, compare, document.querySelector('dialog .notice.bad')];
        """,
    )
    assert download.startswith("bad: The server does not answer.")
    assert compare.startswith("The server does not answer.")
    assert found is None


def test_the_tray_says_when_its_drawer_cannot_be_had(page: Page) -> None:
    page.route("**/upload/drawer.js", lambda route: route.abort())
    said = run(
        page,
        """
        const { UploadTray } = await import('/upload/tray.js');
        const { UploadQueue } = await import('/upload/queue.js');
        const never = () => null;
        const own = { send: never, isIndex: never, ask: never, slots: never, limits: never };
        const queue = new UploadQueue(own);
        Object.defineProperty(queue.ledger, 'problems', { value: 1 });
        render(html`<${UploadTray} uploads=${{ queue }} />`, main);
        main.querySelector('.upload-tray').click();
        return until(() => toasts[0]);
        """,
    )
    assert said.startswith("bad: The server does not answer.")


def test_what_is_typed_after_a_choice_stays_and_is_sought(page: Page) -> None:
    typed, sought, cleared = run(
        page,
        """
        const { Combobox } = await import('/ui/combobox.js');
        const sought = [];
        const search = async (text) => {
            sought.push(text);
            return [{ key: 'eva', label: 'Eva' }];
        };
        const draw = (chosen) => render(html`<${Combobox} label="Who" name="who" chosen=${chosen}
            search=${search} onChoose=${draw} />`, main);
        const value = () => main.querySelector('[name="who"]').value;
        draw({ key: 'leo', label: 'Leo' });
        await until(() => value() === 'Leo');
        type('who', 'E');
        const option = await until(() => main.querySelector('[role="option"]'));
        const typed = value();
        option.click();
        await until(() => value() === 'Eva');
        draw(null); // by what is around it
        await until(() => value() === '');
        type('who', 'L');
        await until(() => sought.length === 2);
        return [typed, sought, value()];
        """,
    )
    assert typed == "E"
    assert sought == ["E", "L"]
    assert cleared == "L"
