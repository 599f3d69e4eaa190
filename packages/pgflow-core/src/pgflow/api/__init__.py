"""The completion API: the verbs of an attempt over HTTP, for workers without a database connection.

An ASGI application over the engine's own functions; it decides nothing by itself.  Needs the extra
`pgflow-core[http]`: `app` puts it together, `settings` is what an operator may set.
"""
