"""The tokens of a script, and which of its names are variables.

No parser: what tells a variable from the key of an object are the brackets and tokens beside it. That is
enough for sources with a semicolon after every statement; a test compares what a parser says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from enum import Enum, auto

TOKEN = re.compile(
    r"""(?P<space>(?:[ \t\r\n]+|//[^\n]*|/\*.*?\*/)+)
    |[\#]?[A-Za-z_$][\w$]*
    |'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"
    |0[xX][\da-fA-F_]+n?|(?:\d[\d_]*(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?n?
    |=>|\.\.\.|\?\.(?!\d)|(?:\*\*|<<|>>>?|&&|\|\||\?\?)=?|[=!]==?|[-+*%&|^<>]=|\+\+|--
    |(?P<slash>/)|(?P<quote>`)|[-+*%&|^<>=!~?:;,.()\[\]{}]""",
    re.VERBOSE | re.DOTALL,
)
REGEX = re.compile(r"/(?:[^/\\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+/[a-z]*")
TEXT = re.compile(r"(?:[^`\\$]|\\.|\$(?!\{))*(?:`|\$\{)", re.DOTALL)
"""Of a template, up to its end or to a value in it."""
INDENT = re.compile(r"\n[ \t\n]+")
"""In templates: white space beside a line's end means nothing to HTML, nor to shaders."""
NAME = re.compile(r"[A-Za-z_$]")


def words(text: str) -> frozenset[str]:
    """Those of `text`."""
    return frozenset(text.split())


WORDS = words(
    "arguments as async await break case catch class const continue debugger default delete do else export"
    " extends false finally for from function get if import in instanceof let new null of return set static"
    " super switch this throw true try typeof undefined var void while with yield"
)
BEFORE_REGEX = words("case delete do else in instanceof new of return throw typeof void yield")
CONTROL = words("for if switch while with")
DECLARE = words("class const function let var")
OPENING, CLOSING = frozenset("([{"), frozenset(")]}")
BINDING = frozenset(("(", ",", "[", "{", ":", "..."))
"""After these a pattern names a variable, or begins another pattern."""
BOUND = frozenset((",", ")", "]", "}", "="))
MEMBER = frozenset(("{", ";", "}", "*", "async", "get", "set", "static"))
"""After these a class names a field or a method."""


class ScriptError(ValueError):
    """What is no script, as far as it is understood here."""


class Role(Enum):
    """What a token is."""

    OTHER = auto()
    SHORT = auto()
    """The key of an object, or of a pattern, and a variable at once."""
    VARIABLE = auto()


def tokens_of(code: str) -> list[str]:
    """All but remarks and white space; of a template each text between its values. Raises ScriptError."""
    found: list[str] = []
    nested: list[bool] = []  # brackets that are open: whether each holds a value of a template
    at = 0
    while at < len(code):
        match = TOKEN.match(code, at)
        if match is None:
            raise ScriptError(f"what is {code[at : at + 40]!r}?")
        text, at = match[0], match.end()
        if match["space"]:
            continue
        if match["slash"]:
            before = found[-1] if found else ";"
            value = before[-1] in ")]}'\"`_$" or (before[-1].isalnum() and before not in BEFORE_REGEX)
            if not value and (regex := REGEX.match(code, at - 1)):
                text, at = regex[0], regex.end()
            elif code[at] == "=":
                text, at = "/=", at + 1
        elif match["quote"] or (text == "}" and nested and nested[-1]):
            part = TEXT.match(code, at)
            if part is None:
                raise ScriptError("a template has no end")
            text, at = text + INDENT.sub("\n", part[0]), part.end()
            if text[0] == "}":
                nested.pop()
            if text[-1] == "{":
                nested.append(True)
        elif text in OPENING:
            nested.append(False)
        elif text in CLOSING:
            if not nested:
                raise ScriptError(f"{text} closes nothing")
            nested.pop()
        found.append(text)
    if nested:
        raise ScriptError("a bracket stays open")
    return found


class Script:
    """Tokens with the brackets that they stand in."""

    def __init__(self, tokens: Sequence[str]) -> None:
        self.tokens = tokens
        self.inside: list[int] = []
        """By token: the bracket around it, -1 where there is none."""
        self.start: dict[int, int] = {}
        """Of each closing bracket the opening one."""
        self.end: dict[int, int] = {}
        around = [-1]
        for at, token in enumerate(tokens):
            if token[0] in CLOSING:
                self.end[around[-1]] = at
                self.start[at] = around.pop()
            self.inside.append(around[-1])
            if token in OPENING or (token[0] in "`}" and token[-1] == "{"):
                around.append(at)
        classes = (at for at, text in enumerate(tokens) if text == "class" and not self._key(at))
        self._classes = {self._body(at) for at in classes}
        self._patterns: set[int] = set()

    def at(self, place: int) -> str:
        """The token there; a semicolon beyond the ends."""
        return self.tokens[place] if 0 <= place < len(self.tokens) else ";"

    def _key(self, at: int) -> bool:
        """Whether a word is the name of a property."""
        return self.at(at + 1) == ":" or self.at(at - 1) in (".", "?.")

    def _body(self, at: int) -> int:
        """The bracket that opens the body of a class."""
        while self.at(at + 1) != "{" or self.inside[at + 1] != self.inside[at]:
            at += 1
        return at + 1

    def roles(self) -> Iterator[tuple[Role, bool]]:
        """What each token is, and whether it declares the variable that it names."""
        for at, token in enumerate(self.tokens):
            if token in OPENING and self._binds(at):
                self._patterns.add(at)
            if not NAME.match(token) or token in WORDS:
                yield Role.OTHER, False
            else:
                role = self._role(at)
                yield role, role != Role.OTHER and self._declares(at)

    def _binds(self, at: int) -> bool:
        """Whether a bracket holds parameters, or a pattern that declares."""
        before, after = self.at(at - 1), self.at(self.end[at] + 1)
        if self.tokens[at] == "(":
            return after == "=>" or (after == "{" and before not in CONTROL)
        return before in DECLARE or (self.inside[at] in self._patterns and before in BINDING)

    def _role(self, at: int) -> Role:
        before, after, around = self.at(at - 1), self.at(at + 1), self.inside[at]
        if before in (".", "?."):
            return Role.OTHER
        if around in self._classes and before in MEMBER and after in ("=", ";", "(", "}"):
            return Role.OTHER
        if after == "(" and self.at(self.end[at + 1] + 1) == "{" and not self._function(at):
            return Role.OTHER  # a method
        if self.at(around) == "{" and before in ("{", ","):
            if after == ":":
                return Role.OTHER
            if after in (",", "}", "="):
                return Role.SHORT
        return Role.VARIABLE

    def _function(self, at: int) -> bool:
        return self.at(at - 1 - (self.at(at - 1) == "*")) == "function"

    def _declares(self, at: int) -> bool:
        before, after = self.at(at - 1), self.at(at + 1)
        if before in DECLARE or after == "=>" or self._function(at):
            return True
        return self.inside[at] in self._patterns and before in BINDING and after in BOUND
