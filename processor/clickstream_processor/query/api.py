"""The query side's factories: ``make_query_app`` (port 8080) and ``make_admin_app`` (port 8081).

How ``__main__`` runs them, in one asyncio loop in the main thread, while the worker thread processes::

    service = QueryService(directory, options, worker_age_s=worker.age_s, metrics=render)
    async with service:                                  # opens the client sessions, samples rates, keeps the index
        query = web.AppRunner(make_query_app(service), access_log=None)
        admin = web.AppRunner(make_admin_app(service), access_log=None)
        await query.setup(); await admin.setup()
        await web.TCPSite(query, host, query_port).start()
        await web.TCPSite(admin, host, admin_port).start()
        await stop.wait()                                # then query.cleanup(), admin.cleanup()

``serve(service, host, query_port, admin_port, stop)`` in this module does exactly that.

- ``directory``: the Directory the worker writes; only read here. The owner's answers carry a staleness mark when
  ``routes.as_of_ms`` or ``brokers_seen_ms`` are older than ``options.fresh_ms`` (3 s): refresh both at least each second.
- ``options``: a QueryOptions of plain values; ``options_of(settings)`` makes it from the Settings.
- ``worker_age_s``: a callable, seconds since the worker's loop last turned; /healthz answers 503 above 30 s.
- ``metrics``: a callable that returns ``(body, content type)`` of the Prometheus exposition.
"""
