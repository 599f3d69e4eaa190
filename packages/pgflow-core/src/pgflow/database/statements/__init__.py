"""Every SQL call PGFlow makes, by subject: definitions, runs, tasks and operations."""
