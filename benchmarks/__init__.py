"""PGFlow measured beside its peers, on one machine, in the same rounds."""
