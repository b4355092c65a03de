"""Typed keys of the ingest service's application state."""

from aiohttp import web

from libs.common.database.postgres import Database
from libs.common.http.quotas import Quota
from services.ingest.intake import Intake
from services.ingest.moving import Moving
from services.ingest.peers.peers import Peers
from services.ingest.settings import IngestSettings

SETTINGS = web.AppKey("ingest_settings", IngestSettings)
DATABASE = web.AppKey("ingest_database", Database)
INTAKE = web.AppKey("ingest_intake", Intake)
UPLOADS = web.AppKey("ingest_uploads", Quota)
UPLOAD_BYTES = web.AppKey("ingest_upload_bytes", Quota)
PEERS = web.AppKey("ingest_peers", Peers)
MOVING = web.AppKey("ingest_moving", Moving)
