"""Mistakes that the user can mend, and the words in which they are told."""

import difflib


class UserError(Exception):
    """A mistake the user can mend: the message names the thing and says what to do."""


def did_you_mean(word, among) -> str:
    """` Did you mean x?` where one of `among` looks like `word`, else nothing."""
    names = {str(name).casefold(): name for name in among}
    found = difflib.get_close_matches(str(word).casefold(), names, 1)
    return f" Did you mean {names[found[0]]}?" if found else ""


def escape_control_chars(text) -> str:
    """What a message may show of a file's name or content: line ends, terminal codes and bytes that
    are no text are escaped."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in str(text))
