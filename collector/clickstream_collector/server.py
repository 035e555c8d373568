"""The life of the process: ports open, events taken, SIGTERM, what is under way finished, records flushed."""

import asyncio
import contextlib
import logging
import signal

from aiohttp import web

from clickstream_collector.http.admin import Admin
from clickstream_collector.http.app import make_app
from clickstream_collector.http.events import Events
from clickstream_collector.http.slow_heads import KEEP_ALIVE_S, SlowHeads
from clickstream_collector.kafka.connection import producer_config
from clickstream_collector.kafka.delivery import Delivery
from clickstream_collector.sender.keys import WriteKeys
from clickstream_collector.settings import Settings

log = logging.getLogger("clickstream_collector")

FLUSH_S = 5.0
BACKLOG = 1_024


async def serve(settings: Settings) -> int:
    """Run until SIGTERM or SIGINT, or until the producer can go on no more; return the exit status."""
    topics = (settings.clicks_topic, settings.dead_letters_topic, settings.identities_topic)
    keys = WriteKeys(settings.keys_file)
    delivery = Delivery(producer_config(settings.kafka), topics)
    delivery.start()
    admin, slow = Admin(settings, keys, delivery), SlowHeads()
    events = Events(settings, keys, delivery)
    app = make_app(events, slow, settings.max_body_bytes)
    runner = web.AppRunner(
        app,
        auto_decompress=False,
        access_log=None,
        keepalive_timeout=KEEP_ALIVE_S,
        shutdown_timeout=settings.stop_s,
    )
    admin_runner = web.AppRunner(admin.app(), access_log=None)
    await admin_runner.setup()
    await runner.setup()
    await web.TCPSite(admin_runner, settings.host, settings.admin_port).start()
    await web.TCPSite(runner, settings.host, settings.port, backlog=BACKLOG).start()
    log.info("takes events on port %d, probes on port %d", settings.port, settings.admin_port)
    if runner.server is None:
        raise RuntimeError("the server did not start")
    closer = asyncio.create_task(slow.close_them(runner.server))
    await _until_told(delivery)
    admin.stopping = True
    log.info("stops: no new connections, %g s for what is under way", settings.stop_s)
    events.stop()
    await runner.cleanup()  # stops accepting, then waits for the requests under way
    left = await delivery.close(FLUSH_S)
    closer.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await closer
    await admin_runner.cleanup()
    if left:
        log.warning("%d records were not acknowledged; their senders were not answered with success", left)
    if delivery.failed.is_set():
        log.critical("the producer failed: %s", delivery.away)
        return 1
    return 0


async def _until_told(delivery: Delivery) -> None:
    """Wait for a signal or for the end of the producer."""
    stop, loop = delivery.failed, asyncio.get_running_loop()
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    waits = [asyncio.create_task(event.wait()) for event in (told, stop)]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()
