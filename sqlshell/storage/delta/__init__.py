"""Delta Lake tables: log replay, snapshots, time travel and commits, all our own (DESIGN section 4)."""
