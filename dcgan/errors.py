"""The two errors that the command line turns into a single clear line: a user's mistake, and a training that failed."""


class UserError(ValueError):
    """A mistake of the user. Its text says what came, what was expected and what to do; the exit status is 2."""


class Diverged(ArithmeticError):
    """A loss, a weight or a moment became NaN or infinite. The exit status is 1."""
