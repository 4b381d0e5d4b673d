"""The records, errors and small protocols that every room speaks of."""
