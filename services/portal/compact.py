"""A script as browsers get it: without remarks and white space, and with short names for its own variables.

Every token stays what and where it was, but for two things: a variable that is declared in the script, and
nowhere the key of an object as well, has one other name throughout, as have private members; and separators
before a closing bracket go. Nothing is computed, moved or left out: what runs is what was read, which a test
proves of all modules by parsing both.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain, product

from services.portal.tokens import CLOSING, CONTROL, WORDS, Role, Script, tokens_of, words

LETTERS = "etnraoisclduhpmfgbvywxkjqzETNRAOISCLDUHPMFGBVYWXKJQZ"
WORD = frozenset(f"{LETTERS}0123456789_$#")
FREE = words("close document event history location name navigator open performance screen status window")
"""Browsers have variables of these names: one beside a declared one of the same name would get lost."""


def compact(code: str) -> str:
    """`code`, smaller. Raises ScriptError."""
    script = Script(tokens_of(code))
    roles = list(script.roles())
    names = _short_names(script.tokens, roles)
    parts: list[str] = []
    last = ";"
    for at, token in enumerate(script.tokens):
        if _needless(script, at):
            continue
        if roles[at][0] == Role.VARIABLE or token[0] == "#":
            token = names.get(token, token)
        if _one_word(last, token):
            parts.append(" ")
        parts.append(token)
        last = token
    return "".join(parts)


def _needless(script: Script, at: int) -> bool:
    """Whether a separator stands before a closing bracket and is no hole, nor an empty statement."""
    own, before, after = script.tokens[at], script.at(at - 1), script.at(at + 1)
    if own == ",":
        return after in CLOSING and before not in ("[", ",")
    if own != ";" or after != "}" or before == ";":
        return False
    return before != ")" or script.at(script.start[at - 1] - 1) not in CONTROL


def _one_word(one: str, other: str) -> bool:
    """Whether two tokens would be read as one, or as others, without a space."""
    if other[0] in WORD:
        return one[-1] in WORD or (one[0] == "/" and len(one) > 2)
    return (one[-1] in "+-/" and other[0] == one[-1]) or (one[0].isdigit() and other[0] == ".")


def _short_names(tokens: Sequence[str], roles: Sequence[tuple[Role, bool]]) -> dict[str, str]:
    """By the name of a variable or private member; the most frequent has the shortest."""
    variables, members = Counter[str](), Counter[str]()
    kept, declared = {*FREE}, set()
    for token, (role, declares) in zip(tokens, roles, strict=True):
        if token[0] == "#":
            members[token] += 1
        elif role == Role.VARIABLE:
            variables[token] += 1
        elif role == Role.SHORT:
            kept.add(token)
        if declares:
            declared.add(token)
    found = dict(
        zip((name for name, _ in members.most_common()), map("#{}".format, short_names()), strict=False)
    )
    taken = {*tokens, *WORDS}
    for name, _ in variables.most_common():
        if name in declared and name not in kept and len(name) > 1:
            # What is called alike in many modules stays alike: that packs better.
            own = [letter for letter in name if letter in LETTERS]
            wanted = chain(own, map(str.swapcase, own), short_names())
            found[name] = next(one for one in wanted if one not in taken)
            taken.add(found[name])
    return {name: short for name, short in found.items() if len(short) < len(name)}


def short_names() -> Iterator[str]:
    """Of one letter, then of two, then of three."""
    for length in (1, 2, 3):
        yield from map("".join, product(LETTERS, repeat=length))
