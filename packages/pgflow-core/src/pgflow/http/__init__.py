"""What PGFlow says over HTTP: health, readiness, metrics.  Needs the extra `pgflow-core[http]`.

`app` puts the routes together; `server` serves them in the event loop that the dispatcher runs in.
"""
