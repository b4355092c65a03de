"""Typed keys of the results service's application state."""

from aiohttp import web

from libs.common.database.postgres import Database
from libs.common.http.quotas import Quota
from libs.common.storage import Storage
from services.results.feed.reader import Feed
from services.results.jobs.running import Jobs
from services.results.links.opening import Links
from services.results.metrics import ResultsMetrics
from services.results.pixels.decoders import PixelDecoders
from services.results.processing.requests import Requests
from services.results.settings import ResultsSettings
from services.results.standby.reads import Reads
from services.results.viewer.opened import OpenedSources

SETTINGS = web.AppKey("results_settings", ResultsSettings)
DATABASE = web.AppKey("results_database", Database)
"""The primary: what writes, what decides by what it reads, single rows, the change feed."""
READS = web.AppKey("results_reads", Reads)
"""The standby where it may answer: lists, counts, searches, whole studies and results."""
STORAGE = web.AppKey("results_storage", Storage)
METRICS = web.AppKey("results_metrics", ResultsMetrics)
STREAMS = web.AppKey("results_streams", Quota)
DOWNLOADS = web.AppKey("results_downloads", Quota)
FRAMES = web.AppKey("results_frames", Quota)
LINKS = web.AppKey("results_links", Links)
FEED = web.AppKey("results_feed", Feed)
JOBS = web.AppKey("results_jobs", Jobs)
REQUESTS = web.AppKey("results_requests", Requests)
DECODERS = web.AppKey("results_decoders", PixelDecoders)
"""Isolated processes that decode for readers."""
OPENED = web.AppKey("results_opened", OpenedSources)
"""Objects of many frames that a viewer asks for, between its requests."""
