"""OpenTelemetry spans: one a start of a run, one an attempt.  Needs the extra `pgflow-core[otel]`.

A run is a trace, and its id is the trace's: nothing has to be carried from who starts a run to who works on
it, days later and elsewhere.  An attempt's span id follows from the attempt, so that the next one can link to
it and a handler's own spans find it as their parent, whatever process they are in.
"""
