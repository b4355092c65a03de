"""What the command prints: a line or a paragraph a letter for people, JSON lines for programs."""

from __future__ import annotations

import time
from typing import Protocol, TextIO

import orjson

from libs.common.bus.dead_letters import DeadLetter, Walked

LINE_SECONDS = 10.0
"""Between lines of progress, where no terminal shows one that changes."""
TERMINAL_SECONDS = 0.2
REASON_SHOWN = 80


class LetterReport(Protocol):
    """Takes letters as they are found, and what was done at the end."""

    def letter(self, letter: DeadLetter) -> None:
        """Show one."""

    def end(self, walked: Walked, matching: int) -> None:
        """Show the sum."""


class JsonLetters:
    """A line per letter, and a last one with `"summary": true`."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def letter(self, letter: DeadLetter) -> None:
        self._out.write(letter.model_dump_json() + "\n")

    def end(self, walked: Walked, matching: int) -> None:
        summary = {
            "summary": True,
            "seen": walked.seen,
            "matching": matching,
            "replayed": walked.replayed,
            "dropped": walked.dropped,
        }
        self._out.write(orjson.dumps(summary).decode() + "\n")


class TextLetters:
    """A line per letter, or with `whole` all that is known of it."""

    def __init__(self, out: TextIO, *, whole: bool) -> None:
        self._out = out
        self._whole = whole

    def letter(self, letter: DeadLetter) -> None:
        if self._whole:
            self._out.write("\n".join(_paragraph(letter)) + "\n\n")
            return
        when = "-" if letter.given_up_at is None else f"{letter.given_up_at:%Y-%m-%d %H:%M:%S}"
        kind = letter.event.type if letter.event and letter.event.type else "no event"
        self._out.write(
            f"{letter.id}  {letter.queue or letter.place}  {when}  {kind}  {letter.reason[:REASON_SHOWN]}\n"
        )

    def end(self, walked: Walked, matching: int) -> None:
        if walked.replayed or walked.dropped:
            self._out.write(f"{walked.replayed} replayed, {walked.dropped} dropped.\n")
        else:
            self._out.write(f"{matching} of {walked.seen} dead letters.\n")


class LetterProgress:
    """How far a long walk is, on a terminal or in a log."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._terminal = out.isatty()
        self._began = self._shown = time.monotonic()
        self._written = False

    def show(self, walked: Walked) -> None:
        """`walked` so far."""
        now = time.monotonic()
        if now - self._shown < (TERMINAL_SECONDS if self._terminal else LINE_SECONDS):
            return
        self._shown, self._written = now, True
        pace = walked.seen / max(now - self._began, 0.001)
        line = f"{walked.seen} looked at, {walked.replayed} replayed, {walked.dropped} dropped, {pace:.0f}/s"
        self._out.write(f"\r{line}" if self._terminal else f"{line}\n")
        self._out.flush()

    def end(self) -> None:
        """Nothing more comes."""
        if self._written and self._terminal:
            self._out.write("\n")


def _paragraph(letter: DeadLetter) -> list[str]:
    values = letter.model_dump(mode="json", exclude={"headers", "event", "earlier"})
    lines = [f"{name:<14}{value}" for name, value in values.items() if value is not None]
    lines += [f"header        {name}: {value}" for name, value in letter.headers.items()]
    lines += [f"earlier       {orjson.dumps(note).decode()}" for note in letter.earlier]
    event = {} if letter.event is None else letter.event.model_dump(exclude_none=True)
    return lines + [f"event         {name}: {value}" for name, value in event.items()]
