"""What `pgflow doctor` looks at: a check is a function that yields findings, listed in a CHECKS."""
