"""Typed keys of the ingest service's application state."""

from aiohttp import web

from libs.common.database.postgres import Database
from services.ingest.intake import Intake
from services.ingest.moving import Moving
from services.ingest.settings import IngestSettings

SETTINGS = web.AppKey("ingest_settings", IngestSettings)
DATABASE = web.AppKey("ingest_database", Database)
INTAKE = web.AppKey("ingest_intake", Intake)
MOVING = web.AppKey("ingest_moving", Moving)
