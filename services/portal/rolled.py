"""The portal's modules in few files: what the start needs in one, and what pages need beside it in one for
each set of pages that share it.

The sources are ES modules that run as they are; a file made here holds several of them, each as a function
that gives what it exports. That asks of the sources what the start and a test check: imports at the start of
a line and without cycles, exports that are never assigned anew (no `let`), no `await` outside of functions.
Modules of `vendor/` stay files of their own.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

FOLDER = "rolled"
VENDOR = "vendor/"
COMMON = ("app/", "dicom/", "ui/")
"""What pages are made of, and what knows no page."""
STORIES = "stories/page.js"
"""Shows all components, and does not count."""
IMPORT = re.compile(
    r"^import (?:(?:(?P<names>\{[^}]*\})|\* as (?P<whole>[\w$]+)|(?P<default>[\w$]+)) from )?"
    r"'(?P<target>\.[^']+)';$",
    re.MULTILINE,
)
LATER = re.compile(r"\bimport\(\s*'(\.[^']+)'\s*\)")
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
    exports: Sequence[str]


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
    listed = [name.strip() for names in EXPORTS.findall(code) for name in names.split(",") if name.strip()]
    return Module(
        path,
        code,
        [resolved(path, match["target"]) for match in IMPORT.finditer(code)],
        [resolved(path, target) for target in LATER.findall(code)],
        [*EXPORT.findall(code), *listed],
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
    pages share in another; others are together with what exactly the same pages need."""
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
        if path not in whole:
            common = path.startswith(COMMON) and len({*entries_of} - {STORIES}) > 1
            files.setdefault(() if common else tuple(entries_of), []).append(path)
    groups = [whole, *files.values()]
    return {f"{FOLDER}/{group[-1].replace('/', '-')}": group for group in groups}


class Roll:
    """Writes the files of one start."""

    def __init__(self, start: str, sources: Mapping[str, str]) -> None:
        """Raises UnrollableError."""
        self._modules = {path: read_module(path, text) for path, text in sources.items()}
        self.groups = grouped(start, self._modules)
        self._file_of = {path: name for name, group in self.groups.items() for path in group}
        if len({variable(path) for path in self._file_of}) < len(self._file_of):
            raise UnrollableError("two modules differ by their punctuation only")

    def files(self) -> Iterator[tuple[str, str]]:
        """Each file by its name."""
        for name, group in self.groups.items():
            yield name, self._file(name, group)

    def vendored(self, name: str) -> list[str]:
        """The foreign modules that a file imports."""
        targets = {target for path in self.groups[name] for target in self._modules[path].imports}
        return sorted(target for target in targets if target.startswith(VENDOR))

    def _file(self, name: str, group: Sequence[str]) -> str:
        needed: dict[str, set[str]] = {}
        for path in group:
            for target in self._modules[path].imports:
                if not target.startswith(VENDOR) and self._file_of[target] != name:
                    needed.setdefault(self._file_of[target], set()).add(variable(target))
        lines = [f"import * as {variable(path)} from '../{path}';" for path in self.vendored(name)]
        lines += [
            f"import {{ {', '.join(sorted(names))} }} from './{posixpath.basename(file)}';"
            for file, names in sorted(needed.items())
        ]
        lines += [self._function(self._modules[path]) for path in group]
        return "\n".join([*lines, f"export {{ {', '.join(map(variable, group))} }};\n"])

    def _function(self, module: Module) -> str:
        def imported(match: re.Match[str]) -> str:
            target = resolved(module.path, match["target"])
            given = self._modules[target].exports if target in self._modules else None
            if match["names"] is not None:
                names = re.sub(r"\bas\b", ":", match["names"])
                for name in re.findall(r"[{,]\s*([\w$]+)", names):
                    if given is not None and name not in given:
                        raise UnrollableError(f"{module.path} imports {name} of {target}, which has none")
            elif match["default"] is not None:
                names = f"{{ default: {match['default']} }}"
            else:
                names = match["whole"]
            return "" if names is None else f"const {names} = {variable(target)};"

        body = IMPORT.sub(imported, module.code)
        body = EXPORTS.sub("", EXPORT.sub("", body))
        body = LATER.sub(lambda match: self._import_later(resolved(module.path, match[1])), body)
        body = body.replace("import.meta.url", f"new URL('../{module.path}', import.meta.url)")
        names = ", ".join(name.replace(" as ", ": ") for name in module.exports)
        head = f"const {variable(module.path)} = (() => {{"
        return f"{head}\n{body.strip()}\nreturn {{ {names} }};\n}})();"

    def _import_later(self, path: str) -> str:
        """At once all files that the module at `path` needs: a browser would find one in the other."""
        start = next(iter(self.groups))
        own = self._file_of[path]
        needed = dict.fromkeys(self._file_of[each] for each in in_order(path, self._modules))
        others = [file for file in needed if file not in (own, start)]
        imports = ", ".join(f"import('./{posixpath.basename(file)}')" for file in (own, *others))
        return f"Promise.all([{imports}]).then(([file]) => file.{variable(path)})"
