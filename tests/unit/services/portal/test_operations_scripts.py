"""What the operator's pages decide without a server: spans, which queues need an eye, what is chosen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.unit.services.portal.test_scripts import portal_page, run

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with portal_page() as made:
        yield made


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "—"),
        (0, "0 s"),
        (0.0412, "0,04 s"),
        (2.34, "2,3 s"),
        (61, "61 s"),
        (180, "3 min"),
        (7300, "2 h"),
        (200000, "2 d"),
    ],
)
def test_a_span_is_said_in_the_largest_unit_that_says_it(page: Page, seconds: Any, words: str) -> None:
    call = "return (await import('/admin/operations/duration.js')).formatSpan"
    assert run(page, f"{call}({'null' if seconds is None else seconds})") == words


def test_queues_that_need_an_eye_come_first_and_say_why(page: Page) -> None:
    names, troubles = run(
        page,
        """
        const { otherQueues, troubleOf } = await import('/admin/operations/queues.js');
        const queue = (name, role, messages, consumers) => ({ name, role, messages, consumers });
        const queues = [
            queue('processor.lane.0', 'main', 4, 0), queue('b.retry.1s', 'retry', 2, 0),
            queue('z', 'main', 3, 0),
            queue('a', 'main', 3, 1), queue('a.dead', 'dead', 1, 0), queue('b.dead', 'dead', 0, 0),
            queue('c', 'main', null, 0),
        ];
        const found = otherQueues(queues, [{ queue: 'processor.lane.0' }]);
        const troubles = found.map((one) => [one.name, troubleOf(one)]);
        return [found.map(({ name }) => name), Object.fromEntries(troubles)];
        """,
    )
    assert names == ["a", "c", "z", "a.dead", "b.dead", "b.retry.1s"]
    assert troubles == {
        "a": None,
        "c": "missing",
        "z": "unserved",
        "a.dead": "dead",
        "b.dead": None,
        "b.retry.1s": None,
    }


def test_settings_are_found_by_words_and_by_whether_they_were_given(page: Page) -> None:
    found = run(
        page,
        """
        const { chosenSettings, daysUntil } = await import('/admin/operations/settings.js');
        const settings = [
            { name: 'PORT', value: '8080', source: 'default', description: 'Port of the server.' },
            { name: 'AMQP_URL', value: null, source: 'environment', description: 'The broker.' },
        ];
        const names = (text, told) => chosenSettings(settings, text, told).map(({ name }) => name);
        return [names('', false), names('server PORT', false), names('', true), names('broker 8080', false),
            daysUntil('2026-01-03T12:00:00Z', Date.parse('2026-01-01T00:00:00Z')),
            daysUntil('2025-12-31T12:00:00Z', Date.parse('2026-01-01T00:00:00Z'))];
        """,
    )
    assert found == [["PORT", "AMQP_URL"], ["PORT"], ["AMQP_URL"], [], 2, -1]


def test_jobs_say_how_far_they_are(page: Page) -> None:
    found = run(
        page,
        """
        const { jobShare } = await import('/admin/operations/jobs.js');
        const share = (total, processed, failed, state) =>
            jobShare({ total, processed, failed, state }) ?? null;
        return [share(null, 0, 0, 'running'), share(4, 1, 1, 'running'), share(0, 0, 0, 'running'),
            share(0, 0, 0, 'done')];
        """,
    )
    assert found == [None, 0.5, None, 1]


def test_without_a_filter_all_dead_letters_are_meant_and_said_so(page: Page) -> None:
    found = run(
        page,
        """
        const { chosenBy } = await import('/admin/operations/dead.js');
        const { isTyped } = await import('/ui/typed-word.js');
        return [chosenBy({}), chosenBy({ queue: 'x' }), isTyped(' Delete ', 'delete'),
            isTyped('delet', 'delete')];
        """,
    )
    assert found == [{"all": True}, {"queue": "x"}, True, False]
