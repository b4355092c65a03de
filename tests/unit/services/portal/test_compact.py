"""Modules made smaller are the same programs, as a parser sees them, but for names of their own."""

from __future__ import annotations

import json
import subprocess
from functools import cache
from pathlib import Path

import pytest

from services.portal.app import STATIC
from services.portal.compact import compact
from services.portal.rolled import Roll
from services.portal.tokens import ScriptError
from tests.commands import ROOT

PARSER = ROOT / ".tools" / "portal-tools" / "node_modules" / "acorn"
COMPARE = Path(__file__).with_name("same_scripts.mjs")


def differences(*scripts: tuple[str, str, str]) -> list[str]:
    """What the parser finds of (name, plain, compact)."""
    done = subprocess.run(
        ["node", COMPARE], input=json.dumps(scripts), capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()


@cache
def sources() -> dict[str, str]:
    return {path.relative_to(STATIC).as_posix(): path.read_text() for path in STATIC.rglob("*.js")}


def test_all_modules_of_the_portal_stay_the_same_programs() -> None:
    plain = dict(Roll("app/main.js", sources(), plain=True).files())
    smaller = dict(Roll("app/main.js", sources()).files())
    assert plain.keys() == smaller.keys()
    assert sum(map(len, smaller.values())) < 0.75 * sum(map(len, plain.values()))
    assert differences(*((name, plain[name], smaller[name]) for name in plain)) == []


def test_no_two_rolled_files_import_each_other() -> None:
    roll = Roll("app/main.js", sources())
    file_of = {path: name for name, group in roll.groups.items() for path in group}
    needs = {name: set[str]() for name in roll.groups}
    for path, name in file_of.items():
        for target in roll.modules[path].imports:
            needs[name] |= {file_of[target]} - {name} if target in file_of else set()
    while free := [name for name, others in needs.items() if not others]:
        needs = {name: others - {*free} for name, others in needs.items() if name not in free}
    assert needs == {}


CASES = [
    # A variable that is nowhere a key gets another name, and members their own.
    ("const long = 1;\nuse(long);", "const l=1;use(l);"),
    ("const { given, other: mine } = $1;\nuse(given, mine);", "const{given,other:m}=$1;use(given,m);"),
    (
        "class Some { #held = 1; kind = '2d'; get held() { return this.#held; } }",
        "class S{#e=1;kind='2d';get held(){return this.#e}}",
    ),
    ("const read = ({ file }, ...rest) => rest[file].read;", "const e=({file},...r)=>r[file].read;"),
    ("const call = { call(call) { return call; }, other: call };", "const c={call(c){return c},other:c};"),
    # Others keep theirs: they come from outside, or a browser has one of that name.
    ("window.tell(undeclared);", "window.tell(undeclared);"),
    ("function f(window) { return window; }\nwindow.f = f;", "function f(window){return window}window.f=f;"),
    # What separates tokens stays.
    ("let some = a + +b - -c;\nreturn some;", "let s=a+ +b- -c;return s;"),
    ("const some = 5 .toFixed() + a.b;", "const s=5 .toFixed()+a.b;"),
    # Separators before brackets go; holes, and statements of nothing, stay.
    ("f([a, , ], { b, });", "f([a,,],{b});"),
    ("{ for (;;); }\n{ while (more());\n}", "{for(;;);}{while(more());}"),
    # Templates, regular expressions and divisions.
    ("const some = `a  // b ${f({ a: `{ ${b} }` })}\n   c`;", "const s=`a  // b ${f({a:`{ ${b} }`})}\nc`;"),
    ("const some = a / b / c, d = e.replace(/[/'\"`]+/g, '');", "const s=a/b/c,d=e.replace(/[/'\"`]+/g,'');"),
    ("return /`/.test(a) ? 'it\\'s // ' : \"/* \";", "return/`/.test(a)?'it\\'s // ':\"/* \";"),
    ("a /= 2; // b\n/* c */ b = a?.5:1;", "a/=2;b=a?.5:1;"),
]


@pytest.mark.parametrize(("code", "smaller"), CASES)
def test_a_script_gets_smaller(code: str, smaller: str) -> None:
    assert compact(code) == smaller


@pytest.mark.parametrize("code", ["const a = `never ends", "f(", "f)", "a = '1\n'", "a = @b"])
def test_what_is_no_script_is_refused(code: str) -> None:
    with pytest.raises(ScriptError):
        compact(code)


@pytest.mark.parametrize(
    ("plain", "wrong", "said"),
    [
        ("a(b);", "a(c);", "takes a b from outside, and then a c"),
        ("const f = (x) => x.y;", "const f = (x) => x.z;", "y and z"),
        ("const f = (x, y) => x;", "const f = (x, y) => y;", "x and y"),
        ("const f = (x, y) => x;", "const f = (x, x2) => { return x; };", "expression"),
        ("const f = (x) => `a ${x} b`;", "const f = (x) => `a ${x}b`;", "TemplateElement"),
        ("const f = (x) => window + x;", "const f = (x) => x + x;", "window and x"),
        ("const f = /a b/;", "const f = /ab/;", "/a b/ and /ab/"),
        ("f(1, 2);", "f(1, 2", "Unexpected token"),
        ("{ const w = 1; } w();", "{ const e = 1; } e();", "takes w from outside, and then e"),
    ],
)
def test_the_parser_tells_what_differs(plain: str, wrong: str, said: str) -> None:
    [found] = differences(("script", plain, wrong))
    assert said in found
