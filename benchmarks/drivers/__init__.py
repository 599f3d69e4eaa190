"""One process per contender: it answers the operations of `protocol` for its own library."""
