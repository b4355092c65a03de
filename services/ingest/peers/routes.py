"""HTTP of peers: who may send by DIMSE."""

from __future__ import annotations

from uuid import UUID

from aiohttp import web

from libs.common.errors import NotFound
from libs.common.http.audited import speak_of
from libs.common.http.json import BODY_PROBLEMS, json_response, parse_query, read_body
from libs.common.http.openapi import Operation
from libs.common.http.path import path_uuid
from services.ingest.keys import PEERS
from services.ingest.peers.models import KnownPeer, PeerChange, PeerCreate, PeerList, PeerListQuery
from services.ingest.peers.peers import UNKNOWN


async def list_peers(request: web.Request) -> web.Response:
    """Who may send by DIMSE, newest first."""
    query = parse_query(request, PeerListQuery)
    found = await request.app[PEERS].list(query.cursor, query.q or "", query.limit + 1)
    shown, more = found[: query.limit], len(found) > query.limit
    speak_of(request, "peer", *(peer.id for peer in shown))
    return json_response(PeerList(peers=shown, next_cursor=str(shown[-1].id) if more else None))


async def create_peer(request: web.Request) -> web.Response:
    """Let a peer in."""
    wanted = await read_body(request, PeerCreate)
    speak_of(request, "peer")
    return json_response(await request.app[PEERS].create(wanted), 201)


async def get_peer(request: web.Request) -> web.Response:
    """One of them."""
    return json_response(await request.app[PEERS].get(_peer_id(request)))


async def change_peer(request: web.Request) -> web.Response:
    """Change one; associations that are open stay as they are."""
    peer_id = _peer_id(request)
    return json_response(await request.app[PEERS].change(peer_id, await read_body(request, PeerChange)))


async def delete_peer(request: web.Request) -> web.Response:
    """Let one in no longer."""
    await request.app[PEERS].delete(_peer_id(request))
    return web.Response(status=204)


def _peer_id(request: web.Request) -> UUID:
    return path_uuid(request, "peer_id", NotFound(UNKNOWN))


OPERATIONS = (
    Operation(
        "GET",
        "",
        list_peers,
        "List the peers",
        query=PeerListQuery,
        response=PeerList,
        permission="view_peer",
    ),
    Operation(
        "POST",
        "",
        create_peer,
        "Let a peer send by DIMSE",
        body=PeerCreate,
        response=KnownPeer,
        status=201,
        problems=BODY_PROBLEMS,
        permission="add_peer",
    ),
    Operation(
        "GET",
        "/{peer_id}",
        get_peer,
        "One peer",
        response=KnownPeer,
        problems=(NotFound,),
        permission="view_peer",
    ),
    Operation(
        "PATCH",
        "/{peer_id}",
        change_peer,
        "Change a peer",
        body=PeerChange,
        response=KnownPeer,
        problems=(NotFound, *BODY_PROBLEMS),
        permission="change_peer",
    ),
    Operation(
        "DELETE",
        "/{peer_id}",
        delete_peer,
        "Let a peer in no longer",
        status=204,
        problems=(NotFound,),
        permission="delete_peer",
    ),
)
