"""HTTP of lanes: which are paused, pause one, let it go on."""

from __future__ import annotations

import logging

from aiohttp import web

from libs.common.audit.acts import note_done
from libs.common.bus.contract import Work
from libs.common.errors import NotFound
from libs.common.http.authenticate import viewer
from libs.common.http.json import json_response
from libs.common.http.openapi import Operation
from services.results.keys import DATABASE
from services.results.pauses import store
from services.results.pauses.models import LaneState
from services.results.pauses.telling import PauseTeller

log = logging.getLogger(__name__)

WORK = web.AppKey("pauses_work", Work)
TELLER = web.AppKey("pauses_teller", PauseTeller)


async def pause_queue(request: web.Request) -> web.Response:
    """Have nothing begin that waits in a lane; what has begun ends. The same again changes nothing."""
    lane = _lane(request)
    async with request.app[DATABASE].transaction() as connection:
        changed = await store.pause(connection, lane, viewer(request).user_id)
        held = await store.paused(connection)
        await note_done(connection, "queue", request.match_info["queue"], changed=changed)
    request.app[TELLER].wake()
    log.info("lane %s: user %d pauses it", lane, viewer(request).user_id)
    return json_response(state_of(request.app[WORK], lane, held.get(lane)))


async def resume_queue(request: web.Request) -> web.Response:
    """Have a lane go on."""
    lane = _lane(request)
    async with request.app[DATABASE].transaction() as connection:
        changed = await store.resume(connection, lane)
        await note_done(connection, "queue", request.match_info["queue"], changed=changed)
    request.app[TELLER].wake()
    log.info("lane %s: user %d lets it go on", lane, viewer(request).user_id)
    return json_response(state_of(request.app[WORK], lane, None))


def states_of(work: Work, held: dict[str, store.Pause]) -> list[LaneState]:
    """Every lane."""
    return [state_of(work, lane, held.get(lane)) for lane in work.queues()]


def state_of(work: Work, lane: str, pause: store.Pause | None) -> LaneState:
    """One lane."""
    return LaneState(
        lane=lane,
        queue=work.queue_of(lane),
        paused=pause is not None,
        paused_at=None if pause is None else pause.paused_at,
        paused_by=None if pause is None else pause.paused_by,
    )


def _lane(request: web.Request) -> str:
    """Raises NotFound for what is no queue of a lane."""
    name = request.match_info["queue"]
    for lane, queue in request.app[WORK].queues().items():
        if queue == name:
            return lane
    raise NotFound("There is no queue of this name that can be paused: those of lanes can.")


OPERATIONS = (
    Operation(
        "POST",
        "/processing/queues/{queue}/pause",
        pause_queue,
        "Have nothing begin that waits in a lane",
        tag="processing",
        response=LaneState,
        problems=(NotFound,),
        permission="pause_queue",
    ),
    Operation(
        "POST",
        "/processing/queues/{queue}/resume",
        resume_queue,
        "Have a paused lane go on",
        tag="processing",
        response=LaneState,
        problems=(NotFound,),
        permission="pause_queue",
    ),
)
