"""The ``smt`` command: one file per command, no logic."""
