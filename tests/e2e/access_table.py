"""What each route answers to whom: the expected status of every route of every service.

`owner` has sent the file that the path names, `other` has nothing to do with it, `staff` sees everything.
With `viewing` the file is shared to be seen, with `managing` to be managed as well, on the routes of results.
What somebody may not see is 404 to them, what they may not do is 403. A new route needs a row.
"""

from __future__ import annotations

from typing import NamedTuple


class Row(NamedTuple):
    """Expected statuses of one route."""

    anonymous: int
    other: int
    owner: int
    staff: int
    viewing: int
    managing: int


TABLE = {
    # every service
    "GET /livez": Row(200, 200, 200, 200, 200, 200),
    "GET /readyz": Row(200, 200, 200, 200, 200, 200),
    "GET /metrics": Row(200, 200, 200, 200, 200, 200),
    # auth
    "GET /api/auth/openapi.json": Row(200, 200, 200, 200, 200, 200),
    "GET /api/auth/jwks.json": Row(200, 200, 200, 200, 200, 200),
    "POST /api/auth/login": Row(401, 200, 200, 200, 200, 200),
    "POST /api/auth/refresh": Row(400, 200, 200, 200, 200, 200),
    "POST /api/auth/logout": Row(400, 204, 204, 204, 204, 204),
    "GET /api/auth/me": Row(401, 200, 200, 200, 200, 200),
    "GET /api/auth/revocations.json": Row(200, 200, 200, 200, 200, 200),
    "PATCH /api/auth/me": Row(401, 200, 200, 200, 200, 200),
    "PUT /api/auth/me/password": Row(401, 415, 415, 415, 415, 415),
    "GET /api/auth/me/sessions": Row(401, 200, 200, 200, 200, 200),
    "DELETE /api/auth/me/sessions/{session_id}": Row(401, 404, 404, 404, 404, 404),
    "GET /api/auth/me/api-keys": Row(401, 200, 200, 200, 200, 200),
    "POST /api/auth/me/api-keys": Row(401, 415, 415, 415, 415, 415),
    "DELETE /api/auth/me/api-keys/{key_id}": Row(401, 404, 404, 404, 404, 404),
    "GET /api/auth/directory": Row(401, 200, 200, 200, 200, 200),
    "GET /api/auth/users": Row(401, 403, 403, 403, 403, 403),
    "POST /api/auth/users": Row(401, 403, 403, 403, 403, 403),
    "GET /api/auth/users/{user_id}": Row(401, 403, 403, 403, 403, 403),
    "PATCH /api/auth/users/{user_id}": Row(401, 403, 403, 403, 403, 403),
    "DELETE /api/auth/users/{user_id}": Row(401, 403, 403, 403, 403, 403),
    "PUT /api/auth/users/{user_id}/password": Row(401, 403, 403, 403, 403, 403),
    "POST /api/auth/users/{user_id}/unlock": Row(401, 403, 403, 403, 403, 403),
    "GET /api/auth/users/{user_id}/sessions": Row(401, 403, 403, 403, 403, 403),
    "DELETE /api/auth/users/{user_id}/sessions": Row(401, 403, 403, 403, 403, 403),
    "DELETE /api/auth/users/{user_id}/sessions/{session_id}": Row(401, 403, 403, 403, 403, 403),
    "GET /api/auth/groups": Row(401, 403, 403, 403, 403, 403),
    "POST /api/auth/groups": Row(401, 403, 403, 403, 403, 403),
    "GET /api/auth/groups/{group_id}": Row(401, 403, 403, 403, 403, 403),
    "PATCH /api/auth/groups/{group_id}": Row(401, 403, 403, 403, 403, 403),
    "DELETE /api/auth/groups/{group_id}": Row(401, 403, 403, 403, 403, 403),
    "GET /api/auth/permissions": Row(401, 403, 403, 403, 403, 403),
    "GET /api/auth/admin-log": Row(401, 403, 403, 403, 403, 403),
    "POST /api/auth/token": Row(415, 415, 415, 415, 415, 415),
    "GET /api/auth/service-accounts": Row(401, 403, 403, 403, 403, 403),
    "POST /api/auth/service-accounts": Row(401, 403, 403, 403, 403, 403),
    "POST /api/auth/service-accounts/{user_id}/secret": Row(401, 403, 403, 403, 403, 403),
    # ingest
    "GET /api/files/openapi.json": Row(200, 200, 200, 200, 200, 200),
    "POST /api/files": Row(401, 202, 202, 202, 202, 202),
    "GET /api/files": Row(401, 200, 200, 200, 200, 200),
    "GET /api/files/{id}": Row(401, 404, 200, 200, 404, 404),
    "PATCH /api/files/{id}": Row(401, 404, 200, 403, 404, 404),
    # results
    "GET /api/results/openapi.json": Row(200, 200, 200, 200, 200, 200),
    "GET /api/results": Row(401, 200, 200, 200, 200, 200),
    "GET /api/results/summary": Row(401, 200, 200, 200, 200, 200),
    "GET /api/results/{file_id}": Row(401, 404, 200, 200, 200, 200),
    "GET /api/results/{file_id}/thumbnail": Row(401, 404, 200, 200, 200, 200),
    "GET /api/results/{file_id}/frame-means": Row(401, 404, 200, 200, 200, 200),
    "GET /api/results/{file_id}/file": Row(401, 404, 200, 200, 200, 200),
    "HEAD /api/results/{file_id}/file": Row(401, 404, 200, 200, 200, 200),
    "GET /api/shares": Row(401, 200, 200, 200, 200, 200),
    "POST /api/shares": Row(401, 404, 200, 403, 403, 200),
    "DELETE /api/shares/{share_id}": Row(401, 404, 404, 404, 404, 404),
    "GET /api/changes": Row(401, 200, 200, 200, 200, 200),
    "GET /api/events": Row(401, 200, 200, 200, 200, 200),
    # portal: pages and scripts are the same for all, what they show is asked of the others
    "GET /{path}": Row(200, 200, 200, 200, 200, 200),
    "GET /static/{version}/{path}": Row(200, 200, 200, 200, 200, 200),
    "GET /favicon.svg": Row(200, 200, 200, 200, 200, 200),
}
"""By method and path. HEAD has a row where it is an operation of its own; elsewhere it follows GET."""
