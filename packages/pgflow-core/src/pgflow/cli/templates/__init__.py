"""The files that `pgflow init` writes; hello.py is copied as it stands here."""
