"""The one exception that means "what you gave cannot be used", shown to users without a traceback; others in words."""

from __future__ import annotations

import tokenize
import zipfile
import zlib

DAMAGED_ARCHIVE = (
    *(OSError, EOFError, ValueError, KeyError, TypeError, RuntimeError, MemoryError),
    *(zipfile.BadZipFile, zlib.error, tokenize.TokenError, SyntaxError),
)
"""What reading arrays from a file raises that is cut off, changed, or of another kind."""


class InputError(ValueError):
    """Input, option or file that cannot be used. The message says what, where and what to do about it."""


def described(error: Exception) -> str:
    """What went wrong in one text: the message, of anything but an `InputError` after its type."""
    kind = "" if isinstance(error, InputError) else f"{type(error).__name__}: "
    return f"{kind}{error}" or type(error).__name__
