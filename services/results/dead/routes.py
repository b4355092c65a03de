"""HTTP of dead letters: look, replay, drop."""

from __future__ import annotations

import asyncio
import logging

from aiohttp import web

from libs.common.bus.dead_letters import DeadLetter, Fate, Judge, Walked
from libs.common.errors import NotFound
from libs.common.http.audited import note_ahead
from libs.common.http.authenticate import viewer
from libs.common.http.json import BODY_PROBLEMS, json_response, parse_query, read_body
from libs.common.http.openapi import Operation
from libs.common.keys import DEAD_LETTERS
from services.results.dead.models import (
    DeadLetterList,
    DeadLetterOutcome,
    DeadLetterQuery,
    DeadLetterRequest,
)
from services.results.keys import METRICS, SETTINGS

log = logging.getLogger(__name__)

TURN = web.AppKey("dead_letters_turn", asyncio.Lock)
"""What one walk holds, another would not see."""


async def list_dead_letters(request: web.Request) -> web.Response:
    """What was given up, wherever this process reaches; nothing leaves its place."""
    query = parse_query(request, DeadLetterQuery)
    found: list[DeadLetter] = []
    matching = 0

    def keep(letter: DeadLetter) -> Fate:
        nonlocal matching
        if query.takes(letter):
            matching += 1
            if len(found) < query.limit:
                found.append(letter)
        return "keep"

    walked = await _walk(request.app, keep, Walked())
    more = walked.more or matching > len(found)
    return json_response(DeadLetterList(letters=found, seen=walked.seen, more=more))


async def get_dead_letter(request: web.Request) -> web.Response:
    """One letter."""
    letter_id = request.match_info["letter_id"]
    found: list[DeadLetter] = []

    def keep(letter: DeadLetter) -> Fate:
        if letter.id == letter_id:
            found.append(letter)
        return "keep"

    walked = await _walk(request.app, keep, Walked())
    if not found:
        raise NotFound(f"There is no dead letter with this id among the first {walked.seen}.")
    return json_response(found[0])


async def replay_dead_letters(request: web.Request) -> web.Response:
    """Give letters back to whom gave them up, with all attempts before them."""
    return await _settle(request, "replay")


async def drop_dead_letters(request: web.Request) -> web.Response:
    """Delete letters for good."""
    return await _settle(request, "drop")


async def _settle(request: web.Request, fate: Fate) -> web.Response:
    caller, wanted = viewer(request), await read_body(request, DeadLetterRequest)
    counted = request.app[METRICS].dead_letters
    walked = Walked()
    # A reason is free text, which may be anybody's.
    chosen = wanted.model_dump(mode="json", exclude={"ids", "reason"}, exclude_defaults=True)
    await note_ahead(request, "deadletter", *wanted.ids, **chosen)
    try:
        await _walk(request.app, lambda letter: fate if wanted.takes(letter) else "keep", walked)
    finally:
        # Also what was done before the broker went away.
        counted.labels("replayed").inc(walked.replayed)
        counted.labels("dropped").inc(walked.dropped)
        log.info(
            "dead letters: user %d replays %d, drops %d",
            caller.user_id,
            walked.replayed,
            walked.dropped,
        )
    return json_response(DeadLetterOutcome.of(walked))


async def _walk(app: web.Application, judge: Judge, walked: Walked) -> Walked:
    """Every place in turn, within DEAD_LETTERS_AT_ONCE. Raises Unavailable."""
    async with app[TURN]:
        for place in app[DEAD_LETTERS]:
            await place.walk(judge, app[SETTINGS].dead_letters_at_once, walked)
    return walked


OPERATIONS = (
    Operation(
        "GET",
        "/processing/dead",
        list_dead_letters,
        "Messages and events that were given up",
        audited="refusals",
        tag="processing",
        query=DeadLetterQuery,
        response=DeadLetterList,
        permission="view_deadletter",
    ),
    Operation(
        "GET",
        "/processing/dead/{letter_id}",
        get_dead_letter,
        "One of them",
        tag="processing",
        response=DeadLetter,
        problems=(NotFound,),
        permission="view_deadletter",
    ),
    Operation(
        "POST",
        "/processing/dead/replay",
        replay_dead_letters,
        "Send some or all again",
        tag="processing",
        body=DeadLetterRequest,
        response=DeadLetterOutcome,
        problems=BODY_PROBLEMS,
        permission="replay_deadletter",
    ),
    Operation(
        "POST",
        "/processing/dead/drop",
        drop_dead_letters,
        "Delete some or all",
        tag="processing",
        body=DeadLetterRequest,
        response=DeadLetterOutcome,
        problems=BODY_PROBLEMS,
        permission="delete_deadletter",
    ),
)
