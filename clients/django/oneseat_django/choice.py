"""The choice of a newcomer to a full account, when the policy is to ask: which sessions end.

Until then nobody is signed in. The session holds under KEY the ticket of the server, which
is for this choice alone, and the user whose password was right."""

from __future__ import annotations

from typing import Any, Optional

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, load_backend, login
from django.http import HttpResponseRedirect
from django.shortcuts import resolve_url
from django.utils.crypto import constant_time_compare
from django.views.decorators.csrf import csrf_protect

from . import client, conf, pages, seats

KEY = "_oneseat_choice"


def begin(request: Any, said: client.Answer, response: Any) -> Optional[dict[str, Any]]:
    """What the session has to hold until the choice; None if there is none. The session
    still holds the user, and the response is that of the sign-in."""
    ticket = said.body.get("ticket")
    if said.status != 409 or not ticket:
        return None
    s = request.session
    return {
        "ticket": ticket,
        "user": s[SESSION_KEY],
        "backend": s[BACKEND_SESSION_KEY],
        "hash": s.get(HASH_SESSION_KEY, ""),
        "account": s[seats.RECORD][0],
        "next": response["Location"] if 300 <= response.status_code < 400 else resolve_url(settings.LOGIN_REDIRECT_URL),
    }


def is_answer(request: Any) -> bool:
    # The body is read only if there is a choice: it may be an upload of the view's.
    return request.method == "POST" and request.oneseat.choice is not None and pages.FIELD in request.POST


@csrf_protect
def answer(request: Any) -> Any:
    """Ends the sessions that were chosen, and signs the newcomer in, in one step."""
    chosen = request.oneseat.choice
    user = _user(chosen)
    if user is None:
        return _again(request)
    c = conf.current()
    body = {"ticket": chosen["ticket"], "end": request.POST.getlist(pages.FIELD), "device": seats.device(request), **seats.plan(user)}
    said = c.client.call("redeem", body, 2 * c.timeout, client.attempt())
    if said.status == 409:
        request.session[KEY] = {**chosen, "ticket": said.body.get("ticket", chosen["ticket"])}
        return pages.full(request, said.body)
    if said.status != 201:
        return _again(request)
    del request.session[KEY]
    request.oneseat.seat = request.oneseat.granted = seats.Seat(chosen["account"], said.body["session"]["id"])
    login(request, user, chosen["backend"])
    return HttpResponseRedirect(chosen["next"])


def _user(chosen: dict[str, Any]) -> Any:
    """The user, if the password was not changed since, and the user may still sign in."""
    user = load_backend(chosen["backend"]).get_user(chosen["user"])
    now = user.get_session_auth_hash() if hasattr(user, "get_session_auth_hash") else ""
    return user if user is not None and constant_time_compare(now, chosen["hash"]) else None


def _again(request: Any) -> Any:
    del request.session[KEY]
    if hasattr(request, "_messages"):
        messages.warning(request, pages.AGAIN)
    return HttpResponseRedirect(resolve_url(settings.LOGIN_URL))
