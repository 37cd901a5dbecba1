"""The one exception that means "what you gave cannot be used", shown to users without a traceback."""


class InputError(ValueError):
    """Input, option or file that cannot be used. The message says what, where and what to do about it."""
