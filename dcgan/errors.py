"""The one error that the command line turns into a single clear line and exit status 2."""


class UserError(ValueError):
    """A mistake of the user's; its text says what came, what was expected and what to do."""
