"""Modules rolled into few files: each once, after what it imports, and only what a function can hold."""

from __future__ import annotations

import re

import pytest

from services.portal.app import STATIC
from services.portal.rolled import Roll, UnrollableError

SOURCES = {
    "app/main.js": """import { a as b } from '../ui/a.js';
import '../ui/effect.js';
b(() => import('./page.js'));
""",
    "app/page.js": """/** @type {import('./other.js').T} */
import { a } from '../ui/a.js';
import h from '../vendor/h.mjs';
import { c } from '../ui/c.js';
export const View = () => h(a, c, new URL('./x.css', import.meta.url));
""",
    "app/other.js": """import { c } from '../ui/c.js';
export class Other {}
const x = c;
export { x, c as y };
""",
    "ui/a.js": """// import { no } from './no.js';
export function a(later) {
  later(import('../app/other.js'));
}
""",
    "ui/c.js": "export const c = 1;\n",
    "ui/effect.js": "document.title = '';\n",
}
START = """const $ui_a = (() => {
function a(later) {
  later(Promise.all([import('./app-other.js'), import('./ui-c.js')]).then(([file]) => file.$app_other));
}
return { e: a };
})();
const $ui_effect = (() => {
document.title = '';
return {  };
})();
const $app_main = (() => {
const { e: b } = $ui_a;

b(() => Promise.all([import('./app-page.js'), import('./ui-c.js')]).then(([file]) => file.$app_page));
return {  };
})();
export { $ui_a, $ui_effect, $app_main };
"""


PAGES = {
    "app/main.js": "const pages = [() => import('../view/page.js'), () => import('../other/page.js')];\n",
    "view/page.js": """import { a } from './a.js';
export const View = [a, () => import('./later.js'), () => import('./last.js')];
""",
    "view/a.js": "export const a = 1;\n",
    "view/b.js": "export const b = 1;\n",
    "view/c.js": "export const c = 1;\n",
    "view/later.js": """import { a } from './a.js';
import { b } from './b.js';
import { c } from './c.js';
export const d = [a, b, c];
""",
    "view/last.js": "import { b } from './b.js';\nexport const e = b;\n",
    "other/page.js": """import { c } from '../view/c.js';
export const View = () => [c, import('../view/last.js')];
""",
}


def test_a_page_has_in_its_file_what_several_parts_of_its_folder_need() -> None:
    assert Roll("app/main.js", PAGES).groups == {
        "rolled/app-main.js": ["app/main.js"],
        "rolled/view-page.js": ["view/a.js", "view/page.js", "view/b.js"],
        "rolled/view-c.js": ["view/c.js"],
        "rolled/other-page.js": ["other/page.js"],
        "rolled/view-later.js": ["view/later.js"],
        "rolled/view-last.js": ["view/last.js"],
    }


def test_the_start_is_one_file_and_what_pages_share_another() -> None:
    roll = Roll("app/main.js", SOURCES)
    assert roll.groups == {
        "rolled/app-main.js": ["ui/a.js", "ui/effect.js", "app/main.js"],
        "rolled/ui-c.js": ["ui/c.js"],
        "rolled/app-page.js": ["app/page.js"],
        "rolled/app-other.js": ["app/other.js"],
    }
    assert roll.vendored("rolled/app-page.js") == ["vendor/h.mjs"]


def test_a_module_becomes_a_function_that_gives_its_exports() -> None:
    files = dict(Roll("app/main.js", SOURCES, plain=True).files())
    assert files["rolled/app-main.js"] == START
    page = files["rolled/app-page.js"]
    assert page.startswith(
        "import * as $vendor_h from '../vendor/h.mjs';\n"
        "import { $ui_a } from './app-main.js';\nimport { $ui_c } from './ui-c.js';\n"
    )
    assert "const { default: h } = $vendor_h;" in page
    assert "new URL('./x.css', new URL('../app/page.js', import.meta.url))" in page
    assert "return { Other: Other, x: x, y: c };" in files["rolled/app-other.js"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"ui/c.js": "export let c = 1;\n"}, "export let c"),
        ({"ui/c.js": "export default 1;\n"}, "export default"),
        ({"ui/c.js": "export const { c } = window;\n"}, "export const {"),
        ({"ui/c.js": "export * from './a.js';\n"}, "export *"),
        ({"ui/c.js": "export const c = (name) => import(name);\n"}, "import(name)"),
        ({"ui/c.js": "export const d = 1;\n"}, "imports c of ui/c.js"),
        ({"ui/c.js": "import { View } from '../app/page.js';\nexport const c = 1;\n"}, "import each other"),
        ({"app/page.js": "import { c } from './none.js';\nexport const View = c;\n"}, "does not exist"),
    ],
)
def test_what_cannot_be_put_into_a_function_stops_the_start(change: dict[str, str], said: str) -> None:
    with pytest.raises(UnrollableError, match=re.escape(said)):
        dict(Roll("app/main.js", SOURCES | change).files())


def test_the_portals_own_modules_can_be_rolled() -> None:
    names = {path.relative_to(STATIC).as_posix(): path.read_text() for path in STATIC.rglob("*.js")}
    files = dict(Roll("app/main.js", names).files())
    assert "rolled/app-main.js" in files
    assert "rolled/studies-list-page.js" in files
