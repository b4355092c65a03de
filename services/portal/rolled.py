"""The portal's modules in few files: what the start needs in one, and what pages need beside it in one for
each set of pages that share it.

The sources are ES modules that run as they are; a file made here holds several of them, each as a function
that gives what it exports, made smaller (compact.py). That asks of the sources what the start and a test
check: imports at the start of a line and without cycles, exports that are never assigned anew (no `let`), no
`await` outside of functions.
Modules of `vendor/` stay files of their own.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from services.portal.compact import compact, short_names

FOLDER = "rolled"
VENDOR = "vendor/"
COMMON = ("app/", "dicom/", "ui/")
"""What pages are made of, and what knows no page."""
PAGE = "page.js"
"""Of a folder: what the page needs of it, or several of its parts, is in its file."""
STORIES = "stories/page.js"
"""Shows all components, and does not count."""
IMPORT = re.compile(
    r"^import (?:(?:(?P<names>\{[^}]*\})|\* as (?P<whole>[\w$]+)|(?P<default>[\w$]+)) from )?"
    r"'(?P<target>\.[^']+)';$",
    re.MULTILINE,
)
LATER = re.compile(r"\bimport\(\s*'(\.[^']+)'\s*\)")
NAMED = re.compile(r"([\w$]+)(?: as ([\w$]+))?")
EXPORT = re.compile(r"^export (?=(?:async )?(?:function\*?|class|const) ([\w$]+))", re.MULTILINE)
EXPORTS = re.compile(r"^export \{([^}]*)\};$", re.MULTILINE)
LEFT = re.compile(r"^(?:import|export)\b.*$|^.*\bimport\((?!').*$", re.MULTILINE)
REMARK = re.compile(r"/\*\*.*?\*/|^[ \t]*//[^\n]*$", re.DOTALL | re.MULTILINE)
"""Left out: types are named there by `import('…')`."""


class UnrollableError(ValueError):
    """A module says something that this file cannot put into a function."""


@dataclass(frozen=True)
class Module:
    """One source: what it imports now and later, and the names that it gives. `code` is without remarks."""

    path: str
    code: str
    imports: Sequence[str]
    later: Sequence[str]
    exports: Mapping[str, str]
    """What each is called inside of it."""
    whole: Sequence[str]
    """The imports whose names are said at run time."""


def variable(path: str) -> str:
    """What the functions of a rolled file call this module."""
    return "$" + re.sub(r"\W", "_", posixpath.splitext(path)[0])


def resolved(path: str, target: str) -> str:
    """The path of what `path` names by a relative address."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(path), target))


def read_module(path: str, text: str) -> Module:
    """Find the imports and exports of a module. Raises UnrollableError."""
    code = REMARK.sub("", text)
    if left := LEFT.search(EXPORTS.sub("", EXPORT.sub("", IMPORT.sub("", code)))):
        raise UnrollableError(f"{path}: {left[0].strip()}")
    listed = [name.split(" as ") for names in EXPORTS.findall(code) for name in names.strip(" ,").split(", ")]
    imports = list(IMPORT.finditer(code))
    return Module(
        path,
        code,
        [resolved(path, match["target"]) for match in imports],
        [resolved(path, target) for target in LATER.findall(code)],
        {name: name for name in EXPORT.findall(code)} | {names[-1]: names[0] for names in listed},
        [resolved(path, match["target"]) for match in imports if match["whole"]],
    )


def in_order(start: str, modules: Mapping[str, Module]) -> list[str]:
    """`start` after all that it imports, each after its own. Raises UnrollableError for a cycle."""
    done: list[str] = []
    on_the_way: list[str] = []

    def visit(path: str) -> None:
        if path in on_the_way:
            raise UnrollableError(f"modules import each other: {' → '.join([*on_the_way, path])}")
        if path in done or path.startswith(VENDOR):
            return
        if path not in modules:
            raise UnrollableError(f"{on_the_way[-1]} imports {path}, which does not exist")
        on_the_way.append(path)
        for target in modules[path].imports:
            visit(target)
        on_the_way.pop()
        done.append(path)

    visit(start)
    return done


def grouped(start: str, modules: Mapping[str, Module]) -> dict[str, list[str]]:
    """The modules of each file by its name. Those of the start are in its file, the components that several
    pages share in another, what a folder's page or several of its parts need of it in the page's; others are
    together with what exactly the same pages need."""
    whole = in_order(start, modules)
    entries = list(dict.fromkeys(later for path in whole for later in modules[path].later))
    for entry in entries:  # grows on the way
        found = in_order(entry, modules)
        entries.extend({later for path in found for later in modules[path].later}.difference(entries))
    users: dict[str, list[str]] = {}
    for entry in entries:
        for path in in_order(entry, modules):
            users.setdefault(path, []).append(entry)
    files: dict[tuple[str, ...], list[str]] = {}
    for path, entries_of in users.items():
        if path in whole:
            continue
        page = f"{posixpath.dirname(path)}/{PAGE}"
        own = [entry for entry in entries_of if posixpath.dirname(entry) == posixpath.dirname(path)]
        if path.startswith(COMMON):
            real = tuple(entry for entry in entries_of if entry != STORIES)
            together = () if len(real) > 1 else real or (STORIES,)
        else:
            together = (page,) if page in entries and (page in own or len(own) > 1) else tuple(entries_of)
        files.setdefault(together, []).append(path)
    named = {start: whole}
    for together, group in files.items():
        named[together[0] if len(together) == 1 else group[-1]] = group
    return {f"{FOLDER}/{path.replace('/', '-')}": group for path, group in named.items()}


class Roll:
    """Writes the files of one start."""

    def __init__(self, start: str, sources: Mapping[str, str], *, plain: bool = False) -> None:
        """`plain`: as the sources are, else smaller (compact.py). Raises UnrollableError."""
        self._plain = plain
        self.modules = {path: read_module(path, text) for path, text in sources.items()}
        self.groups = grouped(start, self.modules)
        self._file_of = {path: name for name, group in self.groups.items() for path in group}
        if len({variable(path) for path in self._file_of}) < len(self._file_of):
            raise UnrollableError("two modules differ by their punctuation only")
        vendored = {target for module in self.modules.values() for target in module.imports}
        named = {path for module in self.modules.values() for path in (*module.later, *module.whole)}
        self._keys = {
            path: dict(zip(module.exports, module.exports if path in named else short_names(), strict=False))
            for path, module in self.modules.items()
        }
        """What a module calls its exports in a file: only those that are looked up there keep their names."""
        self._numbers = {path: number for number, path in enumerate(sorted({*vendored, *self._file_of}))}

    def files(self) -> Iterator[tuple[str, str]]:
        """Each file by its name. Raises UnrollableError, ScriptError."""
        for name, group in self.groups.items():
            yield name, self._file(name, group)

    def vendored(self, name: str) -> list[str]:
        """The foreign modules that a file imports."""
        targets = {target for path in self.groups[name] for target in self.modules[path].imports}
        return sorted(target for target in targets if target.startswith(VENDOR))

    def _variable(self, path: str) -> str:
        return variable(path) if self._plain else f"${self._numbers[path]:x}"

    def _file(self, name: str, group: Sequence[str]) -> str:
        needed: dict[str, set[str]] = {}
        for path in group:
            for target in self.modules[path].imports:
                if not target.startswith(VENDOR) and self._file_of[target] != name:
                    needed.setdefault(self._file_of[target], set()).add(target)
        lines = [f"import * as {self._variable(path)} from '../{path}';" for path in self.vendored(name)]
        for file, targets in sorted(needed.items()):
            names = ", ".join(map(self._variable, sorted(targets)))
            lines.append(f"import {{ {names} }} from './{posixpath.basename(file)}';")
        lines += [self._function(self.modules[path]) for path in group]
        return "\n".join([*lines, f"export {{ {', '.join(map(self._variable, group))} }};\n"])

    def _function(self, module: Module) -> str:
        def imported(match: re.Match[str]) -> str:
            target = resolved(module.path, match["target"])
            if match["names"] is not None:
                names = NAMED.sub(lambda name: self._imported(module.path, target, name), match["names"])
            elif match["default"] is not None:
                names = f"{{ default: {match['default']} }}"
            else:
                names = match["whole"]
            return "" if names is None else f"const {names} = {self._variable(target)};"

        body = IMPORT.sub(imported, module.code)
        body = EXPORTS.sub("", EXPORT.sub("", body))
        body = LATER.sub(lambda match: self._import_later(resolved(module.path, match[1])), body)
        body = body.replace("import.meta.url", f"new URL('../{module.path}', import.meta.url)")
        keys = self._keys[module.path]
        names = ", ".join(f"{keys[name]}: {local}" for name, local in module.exports.items())
        body = f"{body.strip()}\nreturn {{ {names} }};"
        inside = body if self._plain else compact(body)
        return f"const {self._variable(module.path)} = (() => {{\n{inside}\n}})();"

    def _imported(self, path: str, target: str, name: re.Match[str]) -> str:
        """One name of an import, as of a pattern."""
        if target not in self.modules:
            return name[0].replace(" as ", ": ")
        if name[1] not in self._keys[target]:
            raise UnrollableError(f"{path} imports {name[1]} of {target}, which has none")
        return f"{self._keys[target][name[1]]}: {name[2] or name[1]}"

    def _import_later(self, path: str) -> str:
        """At once all files that the module at `path` needs: a browser would find one in the other."""
        start = next(iter(self.groups))
        own = self._file_of[path]
        needed = dict.fromkeys(self._file_of[each] for each in in_order(path, self.modules))
        others = [file for file in needed if file not in (own, start)]
        imports = ", ".join(f"import('./{posixpath.basename(file)}')" for file in (own, *others))
        return f"Promise.all([{imports}]).then(([file]) => file.{self._variable(path)})"
