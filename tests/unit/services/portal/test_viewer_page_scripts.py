"""What the viewer's page decides: keys, how images are shown, measurements, playing, stacks side by side."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page

from tests.unit.services.portal.test_scripts import page, run

__all__ = ["page"]
pytestmark = pytest.mark.browser


def commands(page: Page, keys: list[dict[str, Any]], measuring: bool) -> Any:
    return page.evaluate(
        """async ([keys, measuring]) => {
            const { commandOf } = await import('/viewer/shortcuts.js');
            const none = { ctrlKey: false, shiftKey: false, altKey: false };
            return keys.map((key) => commandOf({ ...none, ...key }, measuring));
        }""",
        [keys, measuring],
    )


def test_keys_mean_what_the_list_of_keys_says(page: Page) -> None:
    keys = [{"key": key} for key in ("ArrowDown", "End", "PageUp", "=", "2", "0", "D", "i", "q", "?")]
    assert commands(page, keys, False) == [
        ["step", 1],
        ["last"],
        ["series", -1],
        ["fit"],
        ["preset", "2"],
        ["preset", "0"],
        ["tool", "length"],
        ["invert"],
        None,
        None,
    ]
    held: list[dict[str, Any]] = [
        {"key": "ArrowUp", "ctrlKey": True},
        {"key": "ArrowRight", "ctrlKey": True, "shiftKey": True},
        {"key": "ArrowLeft", "shiftKey": True},
        {"key": "z", "ctrlKey": True},
        {"key": "c", "ctrlKey": True},
        {"key": "ArrowDown", "altKey": True},
    ]
    assert commands(page, held, False) == [
        ["window", {"width": 0, "center": 1}],
        ["window", {"width": 10, "center": 0}],
        ["pan", [-24, 0]],
        ["undo"],
        None,
        None,
    ]
    measuring: list[dict[str, Any]] = [
        {"key": "ArrowUp"},
        {"key": "ArrowLeft", "shiftKey": True},
        {"key": "Enter"},
        {"key": "Tab"},
    ]
    assert commands(page, measuring, True) == [
        ["cursor", [0, -1]],
        ["cursor", [-10, 0]],
        ["point"],
        ["next", 1],
    ]
    assert commands(page, [{"key": "Enter"}, {"key": "Tab"}], False) == [None, None]


def test_a_zoom_keeps_what_is_under_the_pointer(page: Page) -> None:
    found = run(
        page,
        """
        const { newPane, zoomed, flipped, turned, ...panes } = await import('/viewer/pane.js');
        const { windowed, between, reset } = panes;
        const pane = newPane('1.2');
        const near = zoomed(zoomed(pane, 2, 100, 50), 2, 100, 50);
        const lying = flipped(turned(pane, 90), false);
        const window = { kind: 'window', center: 40, width: 400, function: 'LINEAR' };
        return {
            zoom: near.zoom, pan: near.pan,
            lying: [lying.flipH, lying.flipV], turned: turned(pane, -90).rotate,
            narrow: ['LINEAR', 'LINEAR_EXACT'].map((name) =>
                windowed({ ...window, function: name }, 5, -1000).width),
            between: between(10, 30, { ...window, function: 'LINEAR_EXACT' }),
            reset: reset({ ...near, index: 7, window }),
        };
        """,
    )
    assert found["zoom"] == 4
    assert found["pan"] == [-300, -150]
    assert found["lying"] == [False, True], "of an image on its side, what the reader sees is mirrored"
    assert found["turned"] == 270
    assert found["narrow"] == [1, 0.04], "LINEAR takes no width below 1"
    assert found["between"] == {"kind": "window", "center": 20, "width": 20, "function": "LINEAR_EXACT"}
    assert (found["reset"]["index"], found["reset"]["window"], found["reset"]["zoom"]) == (7, None, 1)


def test_a_window_lies_over_the_histogram_in_values_of_the_modality(page: Page) -> None:
    found = run(
        page,
        """
        const { histogramOf, digitsOf, bandOf } = await import('/viewer/window-values.js');
        const { movable } = await import('/viewer/levels.js');
        const statistics = { histogram: { counts: [1, 2, 3], min: 0, max: 300 } };
        const lut = { first: 100, entries: [0, 1, 2, 3] };
        const info = { values: 'uint16', slope: -2, intercept: 10, unit: 'HU', voi_lut: lut };
        const digits = (slope, width, values = 'int16') => digitsOf({ values, slope }, width);
        const changed = [];
        bandOf({ kind: 'lut' }, info, (window) => changed.push(window)).onChange(101, 103);
        return {
            falling: histogramOf({ statistics }, info),
            table: histogramOf({ statistics, raw_data: { '00283000': { vr: 'SQ' } } }, info),
            none: [histogramOf(null, info), histogramOf({ statistics: {} }, info)],
            digits: [digits(1, 400), digits(1, 1), digits(0.25, 400), digits(-2, 400), digits(0.000244, 0.5),
                digits(1, 0.5, 'float32')],
            movable: movable({ kind: 'lut' }, info),
            changed,
        };
        """,
    )
    assert found["falling"] == {"counts": [3, 2, 1], "min": -590, "max": 10}
    assert found["table"] is None, "a table leads from the stored values to others, and no line"
    assert found["none"] == [None, None]
    assert found["digits"] == [0, 1, 1, 0, 4, 4]
    assert found["movable"] == {"kind": "window", "center": 102, "width": 4, "function": "LINEAR"}
    assert found["changed"] == [{"kind": "window", "center": 102, "width": 2, "function": "LINEAR"}]


def test_measurements_are_undone_step_by_step(page: Page) -> None:
    found = run(
        page,
        """
        const { Measurements } = await import('/viewer/measurements.js');
        const all = new Measurements();
        const told = () => all.all.map(({ kind, points }) => [kind, ...points]);
        const id = all.add('length', 'a,1', '1.2', [[0, 0], [3, 4]]);
        all.remember();
        all.move(id, 1, [5, 5], false);
        all.move(id, 1, [6, 8], false);
        const dragged = told();
        all.remove(id);
        const states = [told()];
        while (all.undo()) states.push(told());
        return { dragged, states, other: all.of('b,1') };
        """,
    )
    assert found["dragged"] == [["length", [0, 0], [6, 8]]]
    assert found["states"] == [[], [["length", [0, 0], [6, 8]]], [["length", [0, 0], [3, 4]]], []]
    assert found["other"] == []


def test_a_cine_takes_its_time_from_the_header_or_the_reader(page: Page) -> None:
    found = run(
        page,
        """
        const { duration, following } = await import('/viewer/cine.js');
        const times = [[50, 0, null], [[40, 80], 1, null], [50, 0, 25], [null, 0, 10]];
        const way = (count, bounce) => {
            let at = { index: 0, direction: 1 };
            return Array.from({ length: 5 }, () => {
                at = following(at.index, count, at.direction, bounce);
                return at.index;
            });
        };
        return {
            times: times.map((of) => duration(...of)),
            loop: way(3, false), bounce: way(3, true), one: way(1, true),
        };
        """,
    )
    assert found["times"] == [50, 80, 40, 100]
    assert found["loop"] == [1, 2, 0, 1, 2]
    assert found["bounce"] == [1, 2, 1, 0, 1]
    assert found["one"] == [0] * 5


def test_parallel_stacks_follow_each_other_by_position(page: Page) -> None:
    found = run(
        page,
        """
        const { Viewing } = await import('/viewer/viewing.js');
        const { along, placeOf } = await import('/viewer/stacks.js');
        const stackOf = (series, count, apart, normal) => ({
            phase: 'ready', error: null, along: new Map(), infos: new Map(),
            stack: {
                instances: Array.from({ length: count }, (_, index) => ({
                    file_id: `${series}-${index}`, kind: 'image', state: 'processed', rows: 4, columns: 4,
                    position: [0, 0, index * apart], orientation: [1, 0, 0, 0, 1, 0],
                })),
                groups: [{
                    order: 'position', normal, frames: [...Array(count).keys()].map((at) => [at, 1]),
                }],
            },
        });
        const held = {
            'a': stackOf('a', 10, 3, [0, 0, 1]), 'b': stackOf('b', 30, 1, [0, 0, 1]),
            'c': stackOf('c', 10, 3, [1, 0, 0]),
        };
        const stacks = Object.assign(new EventTarget(), { of: (series) => held[series], stop() {} });
        const viewing = new Viewing({ series: ['a', 'b', 'c'], stacks, first: 'a', image: 'a-4' });
        viewing.arrange(4);
        const shown = () => viewing.panes.map(({ series, index }) => `${series}${index}`);
        const states = [shown()];
        viewing.show(6);
        states.push(shown());
        viewing.linked = false;
        viewing.show(99);
        states.push(shown());
        viewing.activate(1);
        viewing.arrange(1);
        states.push(shown());
        viewing.choose('a');
        viewing.arrange(2);
        states.push(shown());
        const { image } = viewing.pane;
        const far = along(held.a, 0).slice(0, 3);
        const place = placeOf(held.b.stack, 'b-7', 1);
        viewing.stop();
        return { states, far, place, image };
        """,
    )
    assert found["states"] == [
        ["a4", "b12", "c0", "a4"],
        ["a6", "b18", "c0", "a6"],
        ["a9", "b18", "c0", "a6"],
        ["b18"],
        ["a0", "b0"],
    ], "who is linked begins where the others are, and the active one stays"
    assert found["far"] == [0, 3, 6]
    assert found["place"] == {"group": 0, "index": 7}
    assert found["image"] == "a-0,1"


def test_a_table_for_spreadsheets_says_units_and_holds_no_formula(page: Page) -> None:
    found = run(
        page,
        """
        const { useLanguage } = await import('/app/i18n.js');
        await useLanguage('en', { more: ['viewer'] });
        const { csvOf, factsOf, textOf } = await import('/viewer/measured.js');
        const info = {
            rows: 4, columns: 4, values: 'uint16', slope: 1, intercept: -10, unit: '=HU', padding: null,
            regions: [], spacing: [0.5, 0.5], spacing_kind: 'imager',
        };
        const one = { id: 1, kind: 'rectangle', points: [[0, 0], [2, 2]] };
        const values = Uint16Array.from({ length: 16 }, (_, index) => index);
        const rows = [{ one, facts: factsOf(one, info, values), series: '2', image: '3',
            where: 'series 2, image 3', source: 'at the detector' }];
        const told = { csv: csvOf(rows), text: textOf(rows), without: factsOf(one, info, null) };
        const fine = { ...info, unit: '', slope: 0.001, intercept: 0, spacing: [0.005, 0.005] };
        const short = { ...one, kind: 'length', points: [[0, 0], [0, 2.5]] };
        told.small = factsOf(short, fine, values)[0].text.split(' ')[0];
        await useLanguage('es', { more: ['viewer'] });
        told.spanish = csvOf(rows);
        await useLanguage('en', { more: ['viewer'] });
        return told;
        """,
    )
    line = found["csv"].split("\r\n")[1]
    assert line.startswith("Rectangle,2,3,,,,,,,-7.5,'=HU,")
    assert line.endswith("1,mm²,at the detector")
    spanish = found["spanish"].split("\r\n")[1]
    assert spanish.startswith("Rectángulo;2;3;;;;;;;-7,5;'=HU;"), "-7.5 is no number to a Spanish spreadsheet"
    assert found["small"] == "0.0125"
    assert found["text"].startswith("Rectangle (series 2, image 3): Mean -7.5 =HU, SD ")
    assert found["without"] == [], "no values, no statistics"


LOADS = """
    const { Stacks } = await import('/viewer/stacks.js');
    const sound = window.fetch;
    const open = [];
    window.fetch = (path, { signal }) => new Promise((resolve, reject) => {
        const one = { answer: (of) => resolve(Response.json({ of })),
            fail: (status) => resolve(Response.json({ code: 'x' }, { status })) };
        if (signal.aborted) return reject(signal.reason);
        signal.addEventListener('abort', () => reject(signal.reason));
        open.push(one);
    });
    const stacks = new Stacks('');
    const settled = () => new Promise((resolve) => setTimeout(resolve, 20));
    const now = () => {
        const { phase, stack, error } = stacks.of('s');
        return [phase, stack?.of ?? null, error?.status ?? null];
    };
    const states = [];
    const note = async () => {
        await settled();
        states.push(now());
    };
"""


def test_of_loads_of_a_series_that_overlap_the_newest_stands(page: Page) -> None:
    states = run(
        page,
        LOADS
        + """
        stacks.of('s');
        stacks.load('s');
        open[1].answer('second');
        await note();
        open[0].answer('first'); // what it says is older
        await note();
        stacks.load('s');
        stacks.load('s');
        open[2].answer('third'); // the fourth takes longer than changes do
        await note();
        open[3].answer('fourth');
        await note();
        stacks.stop();
        window.fetch = sound;
        return states;
        """,
    )
    assert states == [["ready", which, None] for which in ("second", "second", "third", "fourth")]


def test_a_load_that_fails_is_told_unless_there_is_a_newer_one(page: Page) -> None:
    states = run(
        page,
        LOADS
        + """
        stacks.of('s');
        stacks.load('s');
        open[0].fail(503);
        await note();
        open[1].fail(503);
        await note();
        const again = stacks.again('s');
        states.push(now());
        open[2].answer('there');
        await again;
        states.push(now());
        stacks.load('s');
        stacks.load('s');
        open[4].fail(404); // not the reader's any more
        await note();
        open[3].answer('there');
        await note();
        stacks.stop();
        stacks.load('s');
        window.fetch = sound;
        return [...states, open.length];
        """,
    )
    assert states == [
        ["loading", None, None],
        ["error", None, 503],
        ["loading", None, None],
        ["ready", "there", None],
        ["error", None, 404],
        ["error", None, 404],
        5,
    ]
