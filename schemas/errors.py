"""The exceptions that a user can cause; the command line prints their text and nothing else."""


class UserError(Exception):
    """Work failed for a reason the user can mend: the text says what, where and what to do."""


class UsageError(UserError):
    """The request itself is wrong: an unknown value, or options that exclude each other."""
