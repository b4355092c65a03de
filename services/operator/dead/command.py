"""`python -m services dead`: what was given up, to look at, to send again, to delete."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext

from pydantic import ValidationError

from libs.common.audit.shell import typed
from libs.common.bus.dead_letters import DeadLetter, DeadLetters, Fate, Selection, Walked
from libs.common.errors import ConfigurationError, Unavailable
from libs.common.settings.loading import load_settings
from libs.postgresql import folder
from services.operator.dead.places import places
from services.operator.dead.report import JsonLetters, LetterProgress, LetterReport, TextLetters
from services.operator.embedded_access import administrator_url
from services.operator.recording import announced
from services.operator.settings import OperatorSettings

NO_LIMIT = sys.maxsize
FOUND = (0, 1)
"""Exit codes when it was looked for, and found or not."""
NOT_DONE = 2
"""Exit code when nothing was touched for want of an answer or of a choice."""
WHERE = ("place", "type", "source", "file_id", "collection")
_FATES: dict[str, Fate] = {"list": "keep", "show": "keep", "replay": "replay", "drop": "drop"}


def run(arguments: Sequence[str]) -> int:
    """Do it. Returns the exit code. Raises ConfigurationError and Unavailable."""
    parser = _parser()
    asked = parser.parse_args(arguments)
    selection = _selection(parser, asked)
    if asked.action in ("replay", "drop") and not (asked.all or selection.chosen):
        parser.error("name letters by id or filter, or say --all")
    settings = load_settings(OperatorSettings)
    with administrator_url(settings) if _has_database(settings) else nullcontext() as url:
        return _recorded(url, asked, selection, lambda: asyncio.run(_run(settings, url, asked, selection)))


def _recorded(
    url: str | None, asked: argparse.Namespace, selection: Selection, work: Callable[[], int]
) -> int:
    """Raises ConfigurationError where something would be done of which nothing could be told."""
    if _FATES[asked.action] == "keep":
        return work()
    if url is None:
        raise ConfigurationError(
            "Set DATABASE_ADMIN_URL or DATABASE_URL: what is replayed or dropped is noted in the audit log."
        )
    act = typed("operator", f"dead-{asked.action}")
    act.object_type, act.objects = "deadletter", list(selection.ids)
    # A reason is free text, which may be anybody's.
    act.details.update(selection.model_dump(mode="json", exclude={"ids", "reason"}, exclude_defaults=True))
    return announced(url, act, work, FOUND)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="dead",
        description="Dead letters: messages that no service could read, in RabbitMQ, and events that an "
        "outbox gave up. Only headers and facts of events are shown, never contents. Safe beside a running "
        "system; what one command looks at, another does not see meanwhile.",
    )
    parser.add_argument("action", choices=tuple(_FATES), help="drop deletes for good")
    parser.add_argument("ids", nargs="*", metavar="ID", help="as `list` shows them")
    parser.add_argument("--queue", help="who gave them up, e.g. results.files")
    parser.add_argument("--reason", help="part of the reason, in any case")
    parser.add_argument(
        "--where",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help=f"exact; {', '.join(WHERE)}; may be given more than once",
    )
    parser.add_argument("--all", action="store_true", help="replay or drop whatever there is")
    parser.add_argument("--yes", action="store_true", help="drop without asking")
    parser.add_argument("--json", action="store_true", help="JSON lines; the last is the summary")
    return parser


def _selection(parser: argparse.ArgumentParser, asked: argparse.Namespace) -> Selection:
    pairs = [given.partition("=") for given in asked.where]
    if wrong := [name for name, _, value in pairs if name not in WHERE or not value]:
        parser.error(f"--where takes NAME=VALUE with one of {', '.join(WHERE)}, not {wrong[0]!r}")
    if asked.action == "show" and not asked.ids:
        parser.error("name the letters to show")
    exact = {name: value for name, _, value in pairs}
    try:
        return Selection(ids=tuple(asked.ids), queue=asked.queue, reason=asked.reason, **exact)
    except ValidationError as error:
        parser.error("; ".join(f"{problem['loc'][0]}: {problem['msg']}" for problem in error.errors()))


def _has_database(settings: OperatorSettings) -> bool:
    """Whether one was named, or this machine keeps one; beside a broker there need be none."""
    named = settings.migration_url is not None or settings.amqp_url is None
    return named or folder.cluster(settings.data_dir).exists()


async def _run(
    settings: OperatorSettings, url: str | None, asked: argparse.Namespace, selection: Selection
) -> int:
    report: LetterReport = (
        JsonLetters(sys.stdout) if asked.json else TextLetters(sys.stdout, whole=asked.action == "show")
    )
    async with places(settings, url) as found:
        walk = _Walk(found, selection.takes, report)
        if asked.action == "drop" and not asked.yes:
            await walk.go("keep")
            if not await asyncio.to_thread(_confirmed, walk.matching):
                sys.stderr.write("Nothing was dropped.\n")
                return NOT_DONE
            # Only what was shown: others may have come meanwhile.
            shown = walk.ids
            walk = _Walk(found, lambda letter: letter.id in shown, None)
        await walk.go(_FATES[asked.action])
        report.end(walk.walked, walk.matching)
    return 0 if walk.matching or asked.action == "list" else 1


class _Walk:
    """One look through all places."""

    def __init__(
        self,
        found: Sequence[DeadLetters],
        takes: Callable[[DeadLetter], bool],
        report: LetterReport | None,
    ) -> None:
        self._places = found
        self._takes = takes
        self._report = report
        self._progress = LetterProgress(sys.stderr)
        self.walked = Walked()
        self.matching = 0
        self.ids: set[str] = set()

    async def go(self, fate: Fate) -> None:
        def judge(letter: DeadLetter) -> Fate:
            self._progress.show(self.walked)
            if not self._takes(letter):
                return "keep"
            self.matching += 1
            self.ids.add(letter.id)
            if self._report is not None:
                self._report.letter(letter)
            return fate

        try:
            for place in self._places:
                await place.walk(judge, NO_LIMIT, self.walked)
        except Unavailable as error:
            raise Unavailable(
                f"{error.detail} Until then {self.walked.replayed} were replayed and "
                f"{self.walked.dropped} dropped; the others are where they were."
            ) from error
        finally:
            self._progress.end()


def _confirmed(count: int) -> bool:
    if not count:
        return False
    sys.stderr.write(f"Drop these {count} dead letters for good? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().casefold() in ("y", "yes")
