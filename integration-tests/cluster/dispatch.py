"""A dispatcher in a process that a test kills: `python dispatch.py DSN SETTINGS_JSON REPORT_TO`."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import replace

from pgflow.dispatcher import Dispatcher
from pgflow.envelope import ReportTarget
from pgflow.plugins import Plugins, configure
from pgflow_kubernetes.executor import KubernetesExecutor

dsn, settings, url = sys.argv[1:]
plugins = Plugins(executors={"kubernetes": KubernetesExecutor})
instance = configure(plugins, "kubernetes", "kubernetes", json.loads(settings))
instance = replace(instance, report_to=ReportTarget("http", url), observe_every=1.0)
asyncio.run(Dispatcher(dsn, [instance], grace=5.0).run())
