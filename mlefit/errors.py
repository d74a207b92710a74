"""What mlefit says to a person when it cannot go on: one plain sentence and an exit status."""

from __future__ import annotations


class MlefitError(Exception):
    """Any failure that has been explained in one sentence."""

    exit_code = 1


class DataError(MlefitError):
    """The data or the fit failed."""

    exit_code = 1


class UsageError(MlefitError):
    """The command was asked something it cannot do."""

    exit_code = 2
