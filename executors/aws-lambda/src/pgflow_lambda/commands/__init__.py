"""The commands that pgflow-lambda adds to `pgflow`."""
