"""Standard streams of a command: closed, full, or of an encoding that lacks its characters."""

from __future__ import annotations

import codecs
import contextlib
import io
import os
import sys
import unicodedata

_SPELLED = {
    "σ": "sigma", "ε": "eps", "η": "eta", "λ": "lambda", "θ": "theta", "φ": "phi", "Δ": "Delta",
    "≥": ">=", "≤": "<=", "≈": "~", "–": "-", "—": "-", "−": "-", "×": "x", "·": "*", "…": "...",
    "√": "sqrt", "∞": "inf", "→": "->", "±": "+-", "°": " deg", "²": "^2", "µ": "u", "μ": "u",
    "│": "|", "┃": "|", "║": "|",
}  # fmt: skip
"""Signs that are written out where an encoding lacks them; other lines of tables become "-"."""


def open_streams() -> None:
    """Make the standard streams usable by a program, whatever its parent has left of them.

    Numbers 0 to 2 that are closed are opened, or files opened later would get them, and with them
    what libraries print. Characters that an encoding lacks are spelled out.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115 - as long as the process lives
    codecs.register_error("spelled", _spelled)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="spelled")


def close_streams() -> bool:
    """Write what waits in the buffers; what cannot be written is dropped, or Python would complain
    when it ends.

    :return: whether standard output took everything
    """
    fine = True
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            fine = fine and stream is not sys.stdout
            with contextlib.suppress(OSError, ValueError):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, stream.fileno())
                os.close(nowhere)
    return fine


def spelled(text: str) -> str:
    """A text in ASCII."""
    return "".join(sign if sign.isascii() else _word(sign) for sign in text)


def _spelled(error: UnicodeError) -> tuple[str | bytes, int]:
    """Error handler of a codec: signs in words, letters without their accents, all else as an
    escape."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = "".join(map(_word, error.object[error.start : error.end]))
    return text, error.end


def _word(sign: str) -> str:
    if sign in _SPELLED:
        return _SPELLED[sign]
    if "\u2500" <= sign <= "\u257f":
        return "-"
    plain = unicodedata.normalize("NFKD", sign).encode("ascii", "ignore").decode()
    return plain or sign.encode("ascii", "backslashreplace").decode()
