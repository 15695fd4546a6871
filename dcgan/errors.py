"""The errors that the command line turns into a single clear line: a user's mistake, and a training that failed."""


class UserError(ValueError):
    """A mistake of the user. Its text says what came, what was expected and what to do; the exit status is 2."""


class Collapsed(ArithmeticError):
    """A training no longer learns, and --on-collapse says that it shall not go on. The exit status is 1.

    step       the step where it was seen
    good_step  a step before it began
    """

    def __init__(self, message: str, step: int = 0, good_step: int = 0) -> None:
        super().__init__(message)
        self.step, self.good_step = step, good_step


class Diverged(Collapsed):
    """A loss, a weight or a moment became NaN or infinite. The exit status is 1."""


class Failed(RuntimeError):
    """A failure of the machine at one of several ranks, as all others learn of it; `status` is the exit status."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status
