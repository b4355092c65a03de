"""What each route answers to whom: the expected status of every route of every service.

What somebody may not see is 404 to them, what they may not do is 403. A new route needs a row.
"""

from __future__ import annotations

from typing import NamedTuple

CALLERS = {
    "anonymous": "not signed in",
    "bare": "signed in, in no group",
    "stranger": "of the ready-made group `uploader`, like all up to `managing`; the file is another's",
    "owner": "has sent the file",
    "member-none": "of a group whose members see none of its collection, where the file lies",
    "member-view": "of one whose members see its collection",
    "member-manage": "of one whose members manage its collection",
    "viewing": "the file is shared with them to be seen",
    "managing": "the file is shared with them to be managed",
    "radiologist": "of this ready-made group, as the next three are of theirs; the file is another's",
    "operator": "",
    "auditor": "",
    "administrator": "",
    "machine": "a service account that may send and see; the file is another's",
    "link": "has opened a link to the file, to see it, and asks with `via=link`",
    "link-download": "has opened one that also gives out the original",
}
"""Who asks, in the order of the documentation."""

LINKS = ("link", "link-download")
OUTSIDE = ("anonymous", *LINKS)
SIGNED_IN = tuple(name for name in CALLERS if name not in OUTSIDE)
UPLOADERS = SIGNED_IN[SIGNED_IN.index("stranger") : SIGNED_IN.index("radiologist")]
SENDERS = (*UPLOADERS, "radiologist", "administrator", "machine")
SEEING = ("owner", "member-view", "member-manage", "radiologist", "administrator")
"""By the collection that the file lies in."""
SHOWN = (*SEEING, "viewing", "managing")
MANAGING = ("owner", "member-manage", "administrator")
SHARERS = (*UPLOADERS, "radiologist", "administrator")


class Rule(NamedTuple):
    """The answer to most callers, and to some."""

    status: int
    others: dict[int, tuple[str, ...]]

    def of(self, caller: str) -> int:
        """What `caller` is answered."""
        return next((status for status, names in self.others.items() if caller in names), self.status)


def everybody(status: int, outside: int | None = None, **others: int) -> Rule:
    """The same to all; `outside` to who is not signed in; `others` by name, `_` for `-`."""
    named: dict[int, tuple[str, ...]] = {} if outside is None else {outside: OUTSIDE}
    for name, other in others.items():
        named[other] = (*named.get(other, ()), name.replace("_", "-"))
    return Rule(status, named)


def only(status: int, *callers: str) -> Rule:
    """`status` to these callers, 403 to who else is signed in."""
    return Rule(403, {status: callers, 401: OUTSIDE})


def of_file(status: int, *callers: str, hidden: tuple[str, ...] = (), not_by: tuple[str, ...] = ()) -> Rule:
    """`status` to these callers, 404 to those from whom it is `hidden`, 403 to the rest and by `not_by`.

    It is hidden from those who may ask for files and do not see this one.
    """
    return Rule(403, {403: not_by, status: callers, 401: OUTSIDE, 404: hidden})


DICOM_WEB_LEVELS = (
    _STUDY := "/studies/{study_uid}",
    _SERIES := f"{_STUDY}/series/{{series_uid}}",
    f"{_SERIES}/instances/{{instance_uid}}",
)


def below_dicom_web(rule: Rule, *paths: str, method: str = "GET") -> dict[str, Rule]:
    """The same for each path by itself and within a collection."""
    roots = ("/dicom-web", "/dicom-web/collections/{collection}")
    return {f"{method} {root}{path}": rule for path in paths for root in roots}


TABLE = {
    # every service
    "GET /livez": everybody(200),
    "GET /readyz": everybody(200),
    "GET /metrics": everybody(200),
    # auth
    "GET /api/auth/openapi.json": everybody(200),
    "GET /api/auth/jwks.json": everybody(200),
    "GET /api/auth/revocations.json": everybody(200),
    "POST /api/auth/login": everybody(200, 401, machine=401),
    "POST /api/auth/login/second-factor": everybody(415),
    "POST /api/auth/login/enrol": everybody(415),
    "POST /api/auth/password/forgotten": everybody(415),
    "POST /api/auth/password/reset": everybody(415),
    "POST /api/auth/refresh": everybody(200, 400, machine=400),
    "POST /api/auth/logout": everybody(204, 400, machine=400),
    "POST /api/auth/token": everybody(415),
    "GET /api/auth/me": everybody(200, 401),
    "PATCH /api/auth/me": everybody(200, 401, machine=403),
    "PUT /api/auth/me/password": everybody(415, 401, machine=403),
    "GET /api/auth/me/sessions": everybody(200, 401, machine=403),
    "DELETE /api/auth/me/sessions/{session_id}": everybody(404, 401, machine=403),
    "GET /api/auth/me/api-keys": everybody(200, 401, machine=403),
    "POST /api/auth/me/api-keys": everybody(415, 401, machine=403),
    "DELETE /api/auth/me/api-keys/{key_id}": everybody(404, 401, machine=403),
    "GET /api/auth/totp": everybody(200, 401, machine=403),
    "POST /api/auth/totp": everybody(415, 401, machine=403),
    "DELETE /api/auth/totp": everybody(415, 401, machine=403),
    "POST /api/auth/totp/confirm": everybody(415, 401, machine=403),
    "POST /api/auth/totp/recovery-codes": everybody(415, 401, machine=403),
    "GET /api/auth/directory": everybody(200, 401),
    "GET /api/auth/users": only(200, "auditor", "administrator"),
    "POST /api/auth/users": only(415, "administrator"),
    "GET /api/auth/users/{user_id}": only(404, "auditor", "administrator"),
    "PATCH /api/auth/users/{user_id}": only(415, "administrator"),
    "DELETE /api/auth/users/{user_id}": only(404, "administrator"),
    "PUT /api/auth/users/{user_id}/password": only(415, "administrator"),
    "DELETE /api/auth/users/{user_id}/totp": only(404, "administrator"),
    "POST /api/auth/users/{user_id}/password-link": only(404, "administrator"),
    "POST /api/auth/users/{user_id}/unlock": only(404, "administrator"),
    "GET /api/auth/users/{user_id}/sessions": only(404, "auditor", "administrator"),
    "DELETE /api/auth/users/{user_id}/sessions": only(404, "administrator"),
    "DELETE /api/auth/users/{user_id}/sessions/{session_id}": only(404, "administrator"),
    "GET /api/auth/sessions": only(200, "auditor", "administrator"),
    "GET /api/auth/api-keys": only(200, "administrator"),
    "DELETE /api/auth/api-keys/{key_id}": only(404, "administrator"),
    "GET /api/auth/groups": only(200, "auditor", "administrator"),
    "POST /api/auth/groups": only(415, "administrator"),
    "GET /api/auth/groups/{group_id}": only(404, "auditor", "administrator"),
    "PATCH /api/auth/groups/{group_id}": only(415, "administrator"),
    "DELETE /api/auth/groups/{group_id}": only(404, "administrator"),
    "PUT /api/auth/groups/{group_id}/members/{user_id}": only(404, "administrator"),
    "DELETE /api/auth/groups/{group_id}/members/{user_id}": only(404, "administrator"),
    "GET /api/auth/permissions": only(200, "auditor", "administrator"),
    "GET /api/auth/permissions/{codename}": only(404, "auditor", "administrator"),
    "GET /api/auth/admin-log": only(200, "auditor", "administrator"),
    "GET /api/auth/audit": only(200, "auditor", "administrator"),
    "GET /api/auth/audit/state": only(200, "auditor", "administrator"),
    "GET /api/auth/audit/export": only(200, "auditor", "administrator"),
    "GET /api/auth/service-accounts": only(200, "administrator"),
    "POST /api/auth/service-accounts": only(415, "administrator"),
    "POST /api/auth/service-accounts/{user_id}/secret": only(404, "administrator"),
    "GET /api/auth/.well-known/openid-configuration": everybody(200),
    "GET /api/auth/oauth/jwks.json": everybody(200),
    "GET /api/auth/oauth/authorize": everybody(400),
    "POST /api/auth/oauth/authorize": everybody(415),
    "POST /api/auth/oauth/authorizations": everybody(415, 401, machine=403),
    "POST /api/auth/oauth/token": everybody(415),
    "POST /api/auth/oauth/revoke": everybody(415),
    "GET /api/auth/oauth/userinfo": everybody(200, 401),
    "POST /api/auth/oauth/userinfo": everybody(200, 401),
    "GET /api/auth/oauth/end-session": everybody(200),
    "POST /api/auth/oauth/end-session": everybody(415),
    "GET /api/auth/applications": only(200, "administrator"),
    "POST /api/auth/applications": only(415, "administrator"),
    "GET /api/auth/applications/{client_id}": only(404, "administrator"),
    "PATCH /api/auth/applications/{client_id}": only(415, "administrator"),
    "POST /api/auth/applications/{client_id}/secret": only(404, "administrator"),
    "DELETE /api/auth/applications/{client_id}": only(404, "administrator"),
    "GET /api/auth/oidc": everybody(200),
    "GET /api/auth/oidc/{provider}/sign-in": everybody(404),
    "GET /api/auth/oidc/{provider}/callback": everybody(404),
    "POST /api/auth/oidc/{provider}/link": everybody(404, 401, machine=403),
    "POST /api/auth/oidc/sign-out": everybody(200, 400, machine=400),
    "GET /api/auth/me/identities": everybody(200, 401, machine=403),
    "DELETE /api/auth/me/identities/{identity_id}": everybody(404, 401, machine=403),
    "GET /api/auth/users/{user_id}/identities": only(404, "auditor", "administrator"),
    "POST /api/auth/users/{user_id}/identities": only(415, "administrator"),
    "DELETE /api/auth/users/{user_id}/identities/{identity_id}": only(404, "administrator"),
    "GET /api/auth/system": only(200, "operator", "administrator"),
    # ingest: knows no shares
    "GET /api/files/openapi.json": everybody(200),
    "POST /api/files": only(202, *SENDERS),
    "GET /api/files": only(200, *SENDERS),
    "GET /api/files/limits": only(200, *SENDERS),
    "GET /api/files/{id}": of_file(200, *SEEING, hidden=SENDERS),
    "PATCH /api/files/{id}": of_file(
        200, *MANAGING, hidden=("stranger", "member-none", "viewing", "managing")
    ),
    "GET /api/peers/openapi.json": everybody(200),
    "GET /api/peers": only(200, "operator", "administrator"),
    "POST /api/peers": only(415, "administrator"),
    "GET /api/peers/{peer_id}": only(404, "operator", "administrator"),
    "PATCH /api/peers/{peer_id}": only(404, "administrator"),
    "DELETE /api/peers/{peer_id}": only(404, "administrator"),
    # results
    "GET /api/results/openapi.json": everybody(200),
    "GET /api/results": only(200, *SENDERS, *LINKS),
    "GET /api/results/summary": only(200, *SENDERS, *LINKS),
    "GET /api/results/facets": only(200, *SENDERS, *LINKS),
    "GET /api/results/{file_id}": of_file(200, *SHOWN, *LINKS, hidden=SENDERS),
    "GET /api/results/{file_id}/log": of_file(200, *SHOWN, hidden=SENDERS),
    "GET /api/results/{file_id}/neighbours": of_file(200, *SHOWN, *LINKS, hidden=SENDERS),
    "GET /api/results/{file_id}/thumbnail": of_file(200, *SHOWN, *LINKS, hidden=SENDERS),
    "GET /api/results/{file_id}/frames/{number}": of_file(200, *SHOWN, *LINKS, hidden=SENDERS),
    # behind its frames, for which its entry in the audit log would stand
    "GET /api/series/{series_uid}/stack": of_file(200, *SHOWN, *LINKS, hidden=SENDERS),
    # the file is an image
    "GET /api/results/{file_id}/document": of_file(404, hidden=(*SENDERS, *LINKS)),
    "GET /api/results/{file_id}/frame-means": of_file(200, *SHOWN, *LINKS, hidden=SENDERS),
    "GET /api/results/{file_id}/file": of_file(
        200, *SHOWN, "link-download", hidden=SENDERS, not_by=("link",)
    ),
    "HEAD /api/results/{file_id}/file": of_file(
        200, *SHOWN, "link-download", hidden=SENDERS, not_by=("link",)
    ),
    "POST /api/results/{file_id}/retry": of_file(
        409, *MANAGING, "managing", hidden=("stranger", "member-none")
    ),
    "POST /api/results/actions": only(415, *SHARERS),
    "GET /api/results/actions/{job_id}": only(404, *SHARERS),
    "GET /api/studies": only(200, *SENDERS, *LINKS),
    "GET /api/studies/facets": only(200, *SENDERS, *LINKS),
    "GET /api/studies/{study_uid}": of_file(200, *SHOWN, *LINKS, hidden=SENDERS),
    "GET /api/studies/{study_uid}/zip": of_file(
        200, *SHOWN, "link-download", hidden=SENDERS, not_by=("link",)
    ),
    "GET /api/shares": only(200, *SHARERS, "auditor"),
    "POST /api/shares": of_file(200, *MANAGING, "managing", hidden=("stranger", "member-none")),
    "DELETE /api/shares/{share_id}": only(404, *SHARERS),
    "GET /api/links": only(200, *SHARERS, "auditor"),
    "POST /api/links": of_file(201, *MANAGING, "managing", hidden=("stranger", "member-none")),
    "DELETE /api/links/{link_id}": only(404, *SHARERS),
    "POST /api/links/session": everybody(415),
    "GET /api/links/session": everybody(401, link=200, link_download=200),
    "GET /api/changes": only(200, *SENDERS, *LINKS),
    "GET /api/events": only(200, *SENDERS, *LINKS),
    "DELETE /api/links/session": everybody(204),
    "GET /api/files/system": only(200, "operator", "administrator"),
    "GET /api/processing/system": only(200, "operator", "administrator"),
    "GET /api/processing/queues": only(200, "operator", "administrator"),
    "POST /api/processing/queues/{queue}/pause": only(404, "operator", "administrator"),
    "POST /api/processing/queues/{queue}/resume": only(404, "operator", "administrator"),
    "GET /api/processing/workers": only(200, "operator", "administrator"),
    "GET /api/processing/dead": only(200, "operator", "administrator"),
    "GET /api/processing/dead/{letter_id}": only(404, "operator", "administrator"),
    "POST /api/processing/dead/replay": only(415, "operator", "administrator"),
    "POST /api/processing/dead/drop": only(415, "operator", "administrator"),
    "GET /api/processing/jobs": only(200, "operator", "administrator"),
    "POST /api/processing/jobs": only(415, "operator", "administrator"),
    "GET /api/processing/jobs/{job_id}": only(404, "operator", "administrator"),
    "POST /api/processing/jobs/{job_id}/cancel": only(404, "operator", "administrator"),
    "POST /api/processing/jobs/{job_id}/resume": only(404, "operator", "administrator"),
    "POST /api/processing/jobs/{job_id}/raise": only(404, "operator", "administrator"),
    # portal: pages and scripts are the same for all, what they show is asked of the others
    "GET /{path}": everybody(200),
    "GET /static/{version}/{path}": everybody(200),
    "GET /favicon.svg": everybody(200),
    # DICOMweb
    "GET /api/files/dicom-web/openapi.json": everybody(200),
    "POST /dicom-web/studies": only(200, *SENDERS),
    "POST /dicom-web/studies/{study_uid}": only(200, *SENDERS),
    **dict.fromkeys(
        (
            "POST /dicom-web/collections/{collection}/studies",
            "POST /dicom-web/collections/{collection}/studies/{study_uid}",
        ),
        of_file(
            200,
            "owner",
            "member-manage",
            hidden=("stranger", "member-none", "viewing", "managing", "machine"),
        ),
    ),
    "GET /dicom-web/openapi.json": everybody(200),
    "OPTIONS /dicom-web": everybody(200, 401),
    "OPTIONS /dicom-web/": everybody(200, 401),
    "OPTIONS /dicom-web/collections/{collection}": everybody(200, 401),
    "OPTIONS /dicom-web/collections/{collection}/": everybody(200, 401),
    "GET /dicom-web": everybody(200, 401),
    "GET /dicom-web/": everybody(200, 401),
    "GET /dicom-web/collections/{collection}": everybody(200, 401),
    "GET /dicom-web/collections/{collection}/": everybody(200, 401),
    **below_dicom_web(
        only(200, *SENDERS),
        *("/studies", "/series", "/instances"),
        *(f"{_STUDY}/series", f"{_STUDY}/instances", f"{_SERIES}/instances"),
    ),
    **below_dicom_web(
        of_file(200, *SHOWN, hidden=SENDERS),
        *(f"{level}{end}" for level in DICOM_WEB_LEVELS for end in ("", "/metadata")),
        *(f"{level}{end}" for level in DICOM_WEB_LEVELS for end in ("/rendered", "/thumbnail")),
        *(f"{DICOM_WEB_LEVELS[2]}{end}" for end in ("/frames/{frames}", "/frames/{frames}/rendered")),
        f"{DICOM_WEB_LEVELS[2]}/bulkdata/{{path}}",
    ),
}
"""By method and path. HEAD has a row where it is an operation of its own; elsewhere it follows GET."""
