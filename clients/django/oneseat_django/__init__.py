"""One account, one session: when an account signs in, its previous session ends.

The package keeps the sessions of a Django project to what a oneseat server allows. It
owns how Django's session and a session of the server belong together. It holds no rule:
the server decides.
"""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0"


def end_all(user: Any, actor: str = "") -> int:
    """Ends all sessions of a user, everywhere, and returns how many. Raises
    client.Away if the server did not answer."""
    from . import seats

    return seats.end_all(user, reason="revoked", actor=actor)


def password_changed(user: Any) -> int:
    """Ends the user's sessions except that of the current request, and returns how many.
    Call it for a user model that is not made of AbstractBaseUser: for other models it
    happens by itself. Raises client.Away if the server did not answer."""
    from . import seats

    return seats.end_others(user)
