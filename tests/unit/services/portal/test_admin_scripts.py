"""What the administration decides without a server: queries, forms, what is searched; run in Chromium."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page

from tests.unit.services.portal.test_scripts import portal_page, run

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with portal_page("Europe/Madrid") as made:
        yield made


DESCRIPTOR = """
    const { listQuery, addressQuery, serverQuery, chosenHere } = await import('/admin/query.js');
    const descriptor = {
        search: 'q', sort: 'name', always: { all: 'true' },
        columns: [{ name: 'name', sort: 'name' }, { name: 'size', sort: 'size' }, { name: 'other' }],
        filters: [{ name: 'state', values: ['a', 'b'] }, { name: 'to', ask: (day) => `${day}T24` }],
    };
"""


def test_a_list_is_what_its_address_says(page: Page) -> None:
    asked, back, start = run(
        page,
        DESCRIPTOR
        + """
        const query = listQuery(descriptor, '?q=+ana+&sort=-size&state=a&to=1&cursor=x&foreign=1');
        return [serverQuery(descriptor, query), addressQuery(descriptor, query),
            addressQuery(descriptor, listQuery(descriptor, '?sort=name&q=&sort=other'))];
        """,
    )
    assert asked == {"all": "true", "state": "a", "to": "1T24", "q": "ana", "sort": "-size", "cursor": "x"}
    assert back == "?state=a&to=1&q=ana&sort=-size&cursor=x"
    assert start == ""


def test_a_whole_answer_is_searched_and_sorted_here(page: Page) -> None:
    found, sorted_ = run(
        page,
        DESCRIPTOR
        + """
        const rows = [
            { name: 'Núñez Ana', size: 9, state: ['a'] }, { name: 'Ruiz', size: 10, state: ['a', 'b'] },
        ];
        const names = (query) => chosenHere(descriptor, rows, query).map(({ name }) => name);
        return [
            names({ q: 'ana nunez', sort: '', filters: {} }),
            names({ q: '', sort: '-size', filters: { state: 'a' } }),
        ];
        """,
    )
    assert found == ["Núñez Ana"]
    assert sorted_ == ["Ruiz", "Núñez Ana"]


def test_a_form_sends_what_was_changed(page: Page) -> None:
    told = run(
        page,
        """
        const { fieldsFor, valuesOf, changesOf, bodyOf, messagesOf } = await import('/admin/draft.js');
        const descriptor = { fields: [
            { name: 'username', change: false }, { name: 'password', secret: true, change: false },
            { name: 'email' }, { name: 'active', kind: 'check', add: false, start: true },
            { name: 'groups', kind: 'picker', numbers: true,
                read: (row) => row.groups.map(({ id }) => `${id}`) },
        ] };
        const row = { username: 'ana', email: null, active: false, groups: [{ id: 3 }, { id: 7 }] };
        const fields = fieldsFor(descriptor, row);
        const before = valuesOf(fields, row);
        const same = changesOf({ ...before, groups: ['7', '3'] }, before);
        const changes = changesOf({ ...before, groups: ['7'], active: true }, before);
        const adding = fieldsFor(descriptor, null);
        const values = { ...valuesOf(adding, null), username: 'eve' };
        const error = { code: 'x', problem: { errors: [
            { field: 'groups.0', message: 'none such' }, { field: 'foreign', message: '-' },
        ] } };
        return [before, same, bodyOf(fields, changes), bodyOf(adding, values, { adding: true }),
            messagesOf(fields, error).groups.message, messagesOf(fields, {})];
        """,
    )
    before, same, body, added, messages, none = told
    assert before == {"email": "", "active": False, "groups": ["3", "7"]}
    assert same == {}
    assert body == {"groups": [7], "active": True}
    assert added == {"username": "eve", "groups": []}
    assert messages == "none such"
    assert none == {}


def test_the_audit_log_is_searched_by_what_a_text_means(page: Page) -> None:
    meant, begins = run(
        page,
        """
        const { meant, dayBegins } = await import('/admin/audit-search.js');
        const texts = ['018F4E1A-0000-7000-8000-00000000000a', '1.2.840.1', 'user:7', 'operator', '42',
            'get_result', 'verify-audit', 'ana', 'Ana Núñez'];
        return [texts.map(meant), [dayBegins('2026-07-01'), dayBegins('2026-07-31', 1), dayBegins('never')]];
        """,
    )
    assert meant == [
        {"object": "018f4e1a-0000-7000-8000-00000000000a"},
        {"study": "1.2.840.1"},
        {"actor": "user:7"},
        {"actor": "operator"},
        {"object": "42"},
        {"action": "get_result"},
        {"action": "verify-audit"},
        None,
        None,
    ]
    assert begins == ["2026-06-30T22:00:00.000Z", "2026-07-31T22:00:00.000Z", "never"]


def test_choices_are_found_by_words_in_any_order(page: Page) -> None:
    found = run(
        page,
        """
        const { matching } = await import('/ui/picker.js');
        const choices = [
            { value: '1', label: 'Añadir usuarios', hint: 'add_user' }, { value: '2', label: 'Ver usuarios' },
        ];
        return ['usuarios anadir', 'ADD', '', 'nada'].map((text) => matching(choices, text).length);
        """,
    )
    assert found == [1, 1, 2, 0]
