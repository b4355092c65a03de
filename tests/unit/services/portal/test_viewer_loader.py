"""How the viewer gets its frames, in Chromium: what comes first, what is given up, and how much is held."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page

from tests.unit.services.portal.test_scripts import page, run

__all__ = ["page"]
pytestmark = pytest.mark.browser

# A loader whose requests are answered by hand: `open` has those that run, as 'preview 7' or 'values 7', with
# how to answer them; `asked` all that ever ran.
LOADER = """
    const { Loader } = await import('/viewer/loader.js');
    const { ApiError, NetworkError } = await import('/app/api.js');
    const SIDE = 256;
    const jpeg = await (async () => {
        const canvas = new OffscreenCanvas(32, 32);
        canvas.getContext('2d').fillRect(0, 0, 32, 32);
        return canvas.convertToBlob({ type: 'image/jpeg' });
    })();
    const open = new Map();
    const asked = [];
    const most = { running: 0 };
    const addresses = {};
    const api = (path, { signal, headers }) => new Promise((resolve, reject) => {
        const url = new URL(path, location.href);
        const name = `${url.searchParams.get('as')} ${url.pathname.split('/').at(-1)}`;
        if (open.has(name)) throw new Error(`${name} twice at once`);
        addresses[name] = path;
        asked.push(name);
        const end = (settle, thing) => { open.delete(name); settle(thing); };
        const body = name.startsWith('values') ? new Uint8Array(SIDE * SIDE * 2) : jpeg;
        open.set(name, { accept: headers.Accept, answer: () => end(resolve, new Response(body)),
            fail: (error) => end(reject, error), give: (other) => end(resolve, new Response(other)) });
        most.running = Math.max(most.running, open.size);
        signal.addEventListener('abort', () => end(reject, new DOMException('', 'AbortError')));
    });
    const infosOf = (count, more = {}) => Array.from({ length: count }, (_, index) => ({
        file_id: 'f', frame: index, key: `f/${index}`, index, kind: 'image', values: 'uint16',
        rows: SIDE, columns: SIDE, ...more,
    }));
    const pause = (ms = 0) => new Promise((resolve) => setTimeout(resolve, ms));
    const until = async (holds) => { while (!holds()) await pause(2); };
    const answer = async (...names) => {
        for (const name of names) {
            await until(() => open.has(name));
            open.get(name).answer();
            await pause();
        }
    };
    // Pauses of the loader end when the test says so, however busy the machine is.
    const pauses = () => {
        const { setTimeout: set, clearTimeout: clear } = window;
        const waiting = new Map();
        let last = 0;
        window.setTimeout = (then, ms, ...more) => {
            if (ms !== 150) return set(then, ms, ...more);
            waiting.set(--last, then);
            return last;
        };
        window.clearTimeout = (id) => waiting.delete(id) || clear(id);
        const end = () => {
            const ended = [...waiting.values()];
            waiting.clear();
            ended.forEach((then) => then());
        };
        return { end, restore: () => Object.assign(window, { setTimeout: set, clearTimeout: clear }) };
    };
    const answerAll = async () => { while (open.size) { [...open.values()][0].answer(); await pause(); } };
"""


def loading(page: Page, body: str) -> Any:
    return run(page, LOADER + body)


def test_previews_come_first_in_the_direction_of_scrolling(page: Page) -> None:
    first, turned = loading(
        page,
        """
        const loader = new Loader({ api });
        const infos = infosOf(300);
        loader.show(infos, 100);
        const first = [...open.keys()];
        loader.show(infos, 98);
        await pause();
        const turned = [...open.keys()];
        loader.dispose();
        return [first, turned];
        """,
    )
    assert first == [f"preview {at}" for at in (100, 101, 99, 102, 98, 103)]
    assert set(turned) <= {f"preview {at}" for at in (98, 97, 99, 96, 100, 95, 101, 102, 103)}
    assert "preview 98" in turned


def test_values_come_when_the_reader_rests(page: Page) -> None:
    moving, rested, around = loading(
        page,
        """
        const rests = pauses();
        const loader = new Loader({ api, parallel: 2 });
        const infos = infosOf(300);
        loader.show(infos, 9);
        loader.show(infos, 10);
        for (let at = 0; at < 12; at += 1) { [...open.values()][0].answer(); await pause(); }
        const moving = asked.filter((name) => name.startsWith('values'));
        rests.end();
        [...open.values()][0].answer();
        await pause();
        const rested = [...open.keys()][1];
        await answer('values 10');
        await answerAll();
        const around = asked.filter((name) => name.startsWith('values'));
        const got = loader.get(infos[10]);
        loader.dispose();
        rests.restore();
        return [moving, rested, [around, got.values.constructor.name, got.values.length]];
        """,
    )
    assert moving == []
    assert rested == "values 10"
    assert around[0] == [f"values {at}" for at in (10, 11, 9, 12, 8, 13, 7, 14, 15, 16)]
    assert around[1:] == ["Uint16Array", 256 * 256]


def test_what_somebody_waits_for_goes_before_everything(page: Page) -> None:
    running, gave_way, length, same = loading(
        page,
        """
        const loader = new Loader({ api, parallel: 3 });
        const infos = infosOf(50);
        loader.show(infos, 20);
        const before = [...open.keys()];
        const promise = loader.need(infos[20]);
        const same = promise === loader.need(infos[20]);
        await until(() => open.has('values 20'));
        const gaveWay = before.filter((name) => !open.has(name));
        const running = open.size;
        await answer('values 20');
        const { length } = await promise;
        loader.dispose();
        return [running, gaveWay, length, same];
        """,
    )
    assert (running, gave_way, length, same) == (3, ["preview 19"], 256 * 256, True)


def test_what_is_far_by_now_is_given_up(page: Page) -> None:
    before, after, running = loading(
        page,
        """
        const loader = new Loader({ api });
        const infos = infosOf(3000);
        loader.show(infos, 0);
        const before = [...open.keys()];
        loader.show(infos, 2000);
        await pause();
        const after = [...open.keys()];
        loader.dispose();
        await pause();
        return [before, after, [most.running, open.size]];
        """,
    )
    assert len(before) == 6
    assert all(int(name.split()[1]) >= 1900 for name in after)
    assert running == [6, 0]


def test_a_preview_has_the_window_of_the_reader(page: Page) -> None:
    found = loading(
        page,
        """
        const loader = new Loader({ api, size: 300 });
        const infos = infosOf(1);
        loader.show(infos, 0);
        const plain = addresses['preview 0'];
        await answer('preview 0');
        await until(() => loader.get(infos[0]).preview);
        const bone = { kind: 'window', center: 480, width: 2500, function: 'LINEAR_EXACT' };
        loader.show(infos, 0, { window: bone });
        await until(() => open.has('preview 0'));
        const there = Boolean(loader.get(infos[0]).preview); // until the other has come
        await answer('preview 0');
        await until(() => loader.get(infos[0]).window?.center === 480);
        loader.show(infos, 0, { window: { kind: 'lut' } });
        await until(() => open.has('preview 0'));
        const accepts = open.get('preview 0').accept;
        loader.dispose();
        const times = asked.filter((name) => name === 'preview 0').length;
        return [plain, addresses['preview 0'], there, accepts, times];
        """,
    )
    assert found[0] == "/api/results/f/frames/0?as=preview&size=300"
    assert found[1] == "/api/results/f/frames/0?as=preview&size=300&window=lut"
    assert found[2:] == [True, "image/jpeg", 3]


def test_previews_follow_a_window_once_it_stands(page: Page) -> None:
    """A window that is dragged is another with every event."""
    assert loading(
        page,
        """
        const rests = pauses();
        const loader = new Loader({ api });
        const infos = infosOf(1);
        loader.show(infos, 0);
        await answer('preview 0');
        for (let center = 0; center < 20; center += 1) {
            loader.show(infos, 0, { window: { kind: 'window', center, width: 9, function: 'LINEAR' } });
            await pause(5);
        }
        rests.end();
        await until(() => addresses['preview 0'].includes('window'));
        loader.dispose();
        rests.restore();
        const times = asked.filter((name) => name === 'preview 0').length;
        return [times, addresses['preview 0'].split('window=')[1]];
        """,
    ) == [2, "19%2C9%2Clinear"]


def test_several_viewports_take_turns(page: Page) -> None:
    assert loading(
        page,
        """
        const loader = new Loader({ api, parallel: 4 });
        const [left, right] = [infosOf(9), infosOf(9).map((info) => ({ ...info, frame: info.frame + 50,
            key: `g/${info.frame + 50}` }))];
        loader.show(left, 3, { at: 0 });
        await pause();
        loader.show(right, 3, { at: 1 });
        await pause();
        const both = [...open.keys()];
        loader.leave(0);
        await pause();
        const alone = [...open.keys()].every((name) => Number(name.split(' ')[1]) >= 50);
        loader.dispose();
        return [both, alone];
        """,
    ) == [["preview 3", "preview 4", "preview 2", "preview 53"], True]


def test_small_frames_need_no_preview(page: Page) -> None:
    assert loading(
        page,
        """
        const loader = new Loader({ api, parallel: 2 });
        const infos = infosOf(2, { values: 'uint8', rows: 64, columns: 64 });
        loader.show(infos, 0);
        const first = [...open.keys()];
        open.get('values 0').give(new Uint8Array(4096).fill(7));
        await until(() => loader.get(infos[0]).values);
        const strip = loader.needPreview(infos[0]);
        await answer('preview 0');
        const { width } = await strip;
        loader.dispose();
        return [first, width];
        """,
    ) == [["values 0", "values 1"], 32]


def test_failures_are_remembered_until_somebody_asks_again(page: Page) -> None:
    reasons, times, again = loading(
        page,
        """
        const loader = new Loader({ api, parallel: 1 });
        const infos = infosOf(1);
        const told = [];
        loader.onchange = (info) => told.push(loader.get(info).error?.code);
        loader.show(infos, 0);
        open.get('preview 0').fail(new ApiError(422, { code: 'pixel-data-invalid' }));
        await until(() => open.has('values 0')); // they may be sound
        open.get('values 0').give(new Uint8Array(10));
        await until(() => told.length === 2);
        const reason = await loader.need(infos[0]).catch((error) => error.name);
        loader.show(infos, 0);
        await pause(20);
        const times = asked.length;
        loader.retry(infos[0]);
        await answer('preview 0');
        await until(() => loader.get(infos[0]).preview);
        const again = loader.get(infos[0]).error ?? null;
        loader.dispose();
        return [[told[0], reason], times, again];
        """,
    )
    assert reasons == ["pixel-data-invalid", "RangeError"]
    assert (times, again) == (2, None)


def test_a_broken_connection_is_tried_again(page: Page) -> None:
    times, error = loading(
        page,
        """
        const loader = new Loader({ api, parallel: 1 });
        const infos = infosOf(1);
        loader.show(infos, 0);
        open.get('preview 0').fail(new NetworkError('cut'));
        await pause();
        const error = loader.get(infos[0]).error ?? null;
        await answer('preview 0');
        await until(() => loader.get(infos[0]).preview);
        loader.dispose();
        return [asked.filter((name) => name === 'preview 0').length, error];
        """,
    )
    assert (times, error) == (2, None)


def test_what_is_held_never_exceeds_the_budget(page: Page) -> None:
    """Three thousand frames of 128 KiB and their previews, scrolled through to and fro."""
    found = loading(
        page,
        """
        const budget = 8 * 2 ** 20;
        let highest = 0;
        const loader = new Loader({ budget, api: async (path) => {
            asked.push(path);
            return new Response(path.includes('as=values') ? new Uint8Array(SIDE * SIDE * 2) : jpeg);
        } });
        loader.onchange = () => { highest = Math.max(highest, loader.bytes); };
        const infos = infosOf(3000);
        for (let at = 0; at < 3000; at += 3) {
            loader.show(infos, at);
            if (at % 30 === 0) await loader.need(infos[at]);
            highest = Math.max(highest, loader.bytes);
        }
        const back = await loader.need(infos[0]);
        const last = await loader.need(infos[2970]);
        await pause(300); // rests: neighbours come, and it comes to an end
        let before = -1;
        while (before !== asked.length) { before = asked.length; await pause(100); }
        loader.dispose();
        return [budget, highest, loader.bytes, back.length === last.length, asked.length];
        """,
    )
    budget, highest, after, whole, requests = found
    assert budget * 0.5 < highest <= budget
    assert (after, whole) == (0, True)
    assert requests < 9000


def test_an_expired_session_is_renewed_on_the_way(page: Page) -> None:
    """By the portal's own way of asking."""
    asked: list[str] = []

    def serve(route: Any) -> None:
        asked.append(route.request.url.split("/api/")[1].split("?")[0])
        if route.request.url.endswith("/refresh"):
            route.fulfill(status=204)
        elif len(asked) == 1:
            route.fulfill(status=401, json={"code": "session-expired"})
        else:
            route.fulfill(body=bytes(64 * 64), headers={"X-Frame-Values": "uint8"})

    page.route("**/api/**", serve)
    try:
        length = loading(
            page,
            """
            const loader = new Loader();
            const [info] = infosOf(1, { values: 'uint8', rows: 64, columns: 64 });
            const { length } = await loader.need(info);
            loader.dispose();
            return length;
            """,
        )
    finally:
        page.unroute("**/api/**")
    assert (length, asked) == (4096, ["results/f/frames/0", "auth/refresh", "results/f/frames/0"])


def test_what_may_have_passed_is_asked_for_again_by_who_comes_back(page: Page) -> None:
    asked = loading(
        page,
        """
        const { Failures } = await import('/viewer/failures.js');
        const failures = new Failures(() => {});
        const fail = (name, error) => [1, 2, 3].forEach(() => failures.add(name, error));
        fail('cut', new NetworkError('cut'));
        fail('busy', new ApiError(503, { code: 'unavailable' }));
        fail('broken', new ApiError(422, { code: 'decode-failed' }));
        const names = ['cut', 'busy', 'broken'];
        const before = names.map((name) => failures.refused(name));
        failures.forgive(names);
        const loader = new Loader({ api, parallel: 1 });
        const infos = infosOf(2);
        const outage = async (name) => {
            for (let times = 0; times < 3; times += 1) {
                await until(() => open.has(name));
                open.get(name).fail(new NetworkError('cut'));
            }
        };
        loader.need(infos[0]).catch(() => null);
        await outage('values 0');
        await until(() => loader.get(infos[0]).error);
        loader.show(infos, 0);
        const back = loader.get(infos[0]).error ?? null;
        loader.dispose();
        return [before, names.map((name) => failures.refused(name)), back];
        """,
    )
    assert asked == [[True, True, True], [False, False, True], None]
