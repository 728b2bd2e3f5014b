"""What Django says of sign-ins, sign-outs and users, and what follows from it."""

from __future__ import annotations

import logging
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.db import transaction
from django.db.models.signals import post_delete, post_save

from . import client, conf, seats

log = logging.getLogger("oneseat")


def connect() -> None:
    user_logged_in.connect(on_user_logged_in, dispatch_uid="oneseat.in")
    user_logged_out.connect(on_user_logged_out, dispatch_uid="oneseat.out")
    user = get_user_model()
    post_save.connect(on_user_saved, sender=user, dispatch_uid="oneseat.saved")
    post_delete.connect(on_user_deleted, sender=user, dispatch_uid="oneseat.deleted")


def on_user_logged_in(sender: Any, request: Any, user: Any, **_: Any) -> None:
    """Marks the request: the seat is taken on the way out, if the view succeeded."""
    if request is None:
        return
    state = getattr(request, "oneseat", None)
    key = seats.user_key(user)
    if state is not None and seats.impersonates(request):
        # A member of staff looks at a user's pages, and keeps their own seat.
        if state.came is not None:
            request.session[seats.RECORD] = [*state.came, key]
        return
    if state is not None and state.granted is not None:
        request.session[seats.RECORD] = [*state.granted, key]
        return
    skip = conf.current().skip
    if skip is not None and skip(request, user):
        request.session[seats.RECORD] = ["", "", key]
        return
    account = seats.account_of(user)
    if state is None:  # no request of a browser: a test, or a command
        said = seats.sign_in(user, request, None)
        if said.status != 201:
            raise seats.NoSeat(f"{said.body.get('title')}: {said.body.get('detail', '')}")
        request.session[seats.RECORD] = [account, said.body["session"]["id"], key]
        return
    request.session[seats.RECORD] = [account, "", key]
    state.wants = user


def on_user_logged_out(sender: Any, request: Any, user: Any, **_: Any) -> None:
    state = getattr(request, "oneseat", None)
    if state is None:
        record = request.session.get(seats.RECORD) if hasattr(request, "session") else None
        seat = seats.seat_of(record)
        if seat is not None:
            seats.sign_out(seat)
        return
    state.wants = None
    if state.seat is not None:
        seats.sign_out(state.seat)
        state.seat = None


def on_user_saved(sender: Any, instance: Any, created: bool, raw: bool, **_: Any) -> None:
    """Ends the user's other sessions when the password was changed. Django keeps the new
    password in _password until the user was saved; when it only writes an old hash anew,
    it does not."""
    if created or raw or getattr(instance, "_password", None) is None:
        return
    transaction.on_commit(lambda: seats.end_others(instance))


def on_user_deleted(sender: Any, instance: Any, **_: Any) -> None:
    account = seats.account_of(instance)  # the primary key is gone once this returns

    def end() -> None:
        try:
            seats.end_account(account)
        except client.Away as why:
            log.error("the sessions of a user who was deleted could not be ended: %s", why)

    transaction.on_commit(end)
