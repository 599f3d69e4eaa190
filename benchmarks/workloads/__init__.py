"""The workloads: each says what to run, and which figures come out of it."""
