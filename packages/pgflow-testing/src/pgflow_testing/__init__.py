"""Fixtures that give each test a database of its own with PGFlow in it."""
