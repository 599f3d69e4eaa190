"""Commands that this distribution adds to `pgflow`, one module each."""
