"""The way of a request: its seat is checked on the way in, and a new one is taken on the
way out. Owns the order of these steps; what each asks is in seats.py."""

from __future__ import annotations

import functools
import logging
from importlib import import_module
from typing import Any, Callable, Generator, Optional
from urllib.parse import parse_qs, urlsplit

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth import REDIRECT_FIELD_NAME, SESSION_KEY, get_user
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted
from django.core.exceptions import ImproperlyConfigured
from django.shortcuts import resolve_url
from django.urls import Resolver404, resolve
from django.utils.cache import patch_cache_control, patch_vary_headers
from django.utils.decorators import sync_and_async_middleware

from . import choice, client, conf, pages, seats, streams

try:
    from asgiref.sync import iscoroutinefunction
except ImportError:  # asgiref before 3.6
    from asyncio import iscoroutinefunction

log = logging.getLogger("oneseat")

TOLD = "oneseat_told"  # the cookie with the ID of the ending of which the browser was told
ENDED = "Oneseat-Ended"  # the header with the reason

# A flow is a generator. It yields VIEW, which is answered with the view's response, or a
# function that asks the server. So the same steps serve both kinds of views.
VIEW = object()
Flow = Generator[Any, Any, Any]


@sync_and_async_middleware
def OneSessionPerUserMiddleware(get_response: Callable[[Any], Any]) -> Any:
    """Stands after AuthenticationMiddleware and MessageMiddleware."""
    start()

    if iscoroutinefunction(get_response):

        async def asynchronous(request: Any) -> Any:
            request.oneseat = seats.State()
            before = seats.current.set(request)
            try:
                return await _drive_async(_flow(request), functools.partial(get_response, request))
            finally:
                seats.current.reset(before)

        middleware: Any = asynchronous
    else:

        def synchronous(request: Any) -> Any:
            request.oneseat = seats.State()
            before = seats.current.set(request)
            try:
                return _drive(_flow(request), functools.partial(get_response, request))
            finally:
                seats.current.reset(before)

        middleware = synchronous

    middleware.process_view = _process_view
    middleware.process_exception = _process_exception
    return middleware


def start() -> None:
    """Asks the server once, when the site starts: a wrong key is found now, and not by
    the first visitor. A server that is not up yet is waited for by the requests."""
    _start(conf.current().client)


@functools.lru_cache(maxsize=8)
def _start(c: Any) -> None:
    try:
        _, about = c.call("about", {}, 1.5)
    except client.KeyRefused as why:
        raise ImproperlyConfigured(f'ONESEAT["KEY"] is refused. {why} Take a key of this server.') from why
    except client.Away:
        return  # it was logged
    if "sessions" not in about.get("scopes", ()):
        raise ImproperlyConfigured('ONESEAT["KEY"] may not sign anybody in: it needs the scope "sessions".')


def _process_view(request: Any, view: Any, args: Any, kwargs: Any) -> Any:
    """Takes the answer of the page for a full account, wherever that page was shown."""
    return choice.answer(request) if choice.is_answer(request) else None


def _process_exception(request: Any, exception: BaseException) -> Any:
    """A view asked the server for something, and got no answer."""
    return pages.away(request) if isinstance(exception, client.Away) else None


def _resume(flow: Flow, given: Any, failed: Optional[BaseException]) -> tuple[bool, Any]:
    """Goes on with a flow, and returns whether it is over, and what it yields or returns."""
    try:
        return False, flow.throw(failed) if failed is not None else flow.send(given)
    except StopIteration as end:
        return True, end.value


def _drive(flow: Flow, view: Callable[[], Any]) -> Any:
    given, failed = None, None
    while True:
        over, want = _resume(flow, given, failed)
        if over:
            return want
        given, failed = None, None
        if want is VIEW:
            given = view()
            continue
        try:
            given = want()
        except client.Away as away:
            failed = away


async def _drive_async(flow: Flow, view: Callable[[], Any]) -> Any:
    # The session may use the database, so its steps run where Django runs such things.
    # The server is asked on another thread, so that a server that hangs holds nobody up.
    resume = sync_to_async(_resume, thread_sensitive=True)
    given, failed = None, None
    while True:
        over, want = await resume(flow, given, failed)
        if over:
            return want
        given, failed = None, None
        if want is VIEW:
            given = await view()
            continue
        try:
            given = await sync_to_async(want, thread_sensitive=False)()
        except client.Away as away:
            failed = away


def _flow(request: Any) -> Flow:
    state = request.oneseat
    try:
        yield from _come(request, state)
    except client.Away:
        if conf.current().when_down == "refuse":
            if request.method not in ("GET", "HEAD", "OPTIONS"):
                return pages.away(request)
            state.away = request.session, request.COOKIES
            _as_visitor(request)
    response = yield VIEW
    if state.wants is not None:
        response = yield from _take_seat(request, state, response)
    elif state.away is not None:
        request.session, request.COOKIES = state.away  # as they were
        if _sends_away(response):
            response.close()
            return pages.away(request)
    if state.refused:
        _say_why(state, request, response)
    if state.device_id and state.seat is not None:
        _keep_device_id(state, request, response)
    if state.seat is not None and response.streaming:
        streams.guard(response, state.seat)
    return response


def _come(request: Any, state: seats.State) -> Flow:
    """The way in: decides as whom the request goes on. Raises Away."""
    if settings.SESSION_COOKIE_NAME not in request.COOKIES:
        return
    session = request.session
    # This look at the session must not make the answer vary by its cookie.
    accessed = session.accessed
    user = session.get(SESSION_KEY)
    record = session.get(seats.RECORD)
    if user is None:
        state.choice = session.get(choice.KEY)
        if not session.keys():
            # The session is gone. For its cookie Django would have the browser drop the cookie
            # that it has by now, which may be that of a newer sign-in.
            _hide_session(request)
        else:
            session.accessed = accessed
        return
    session.accessed = accessed
    if record is None:
        yield from _adopt(request, state)
        return
    state.record, state.came = record, seats.seat_of(record)
    if record[2] != user:
        _refuse(request, state, None)  # another user was written into the session
    elif state.came is not None:
        verdict = yield functools.partial(seats.check, state.came, not _passive(request))
        if verdict.seat is None:
            _refuse(request, state, verdict.ending)
        else:
            state.seat = state.came = verdict.seat
    elif record[0]:
        _refuse(request, state, None)  # a sign-in that was never finished


def _adopt(request: Any, state: seats.State) -> Flow:
    """A session that is older than oneseat gets a seat once, if the server allows it."""
    user = get_user(request)
    if not user.is_authenticated:
        return
    account = seats.account_of(user)
    seat = yield functools.partial(seats.adopt, account, request)
    if seat is None:
        _refuse(request, state, None)
        return
    request.session[seats.RECORD] = [*seat, seats.user_key(user)]
    state.seat = state.came = seat


def _passive(request: Any) -> bool:
    names = conf.current().passive
    if not names:
        return False
    try:
        return resolve(request.path_info, getattr(request, "urlconf", None)).view_name in names
    except Resolver404:
        return False


def _hide_session(request: Any) -> None:
    """Gives the request an empty session, and leaves the browser's cookie alone."""
    request.session = import_module(settings.SESSION_ENGINE).SessionStore()
    request.COOKIES = {k: v for k, v in request.COOKIES.items() if k != settings.SESSION_COOKIE_NAME}


def _as_visitor(request: Any) -> None:
    _hide_session(request)
    _set_user(request, AnonymousUser())


def _set_user(request: Any, user: Any) -> None:
    request.user = request._cached_user = request._acached_user = user

    async def auser() -> Any:
        return user

    request.auser = auser


def _refuse(request: Any, state: seats.State, ending: Optional[dict[str, Any]]) -> None:
    """The request goes on as a visitor's: what signed-in users see is decided where it
    is decided for visitors. The cookie is left alone, because the answer may arrive after
    that of a newer sign-in in another tab."""
    _as_visitor(request)
    state.refused, state.ending = True, ending
    seat = state.came.id if state.came is not None else "unknown"
    if request.COOKIES.get(TOLD) != seat and pages.tell(request, ending):
        state.tell = seat


def _say_why(state: seats.State, request: Any, response: Any) -> None:
    response[ENDED] = state.ending["reason"] if state.ending is not None else "unknown"
    patch_cache_control(response, no_store=True, private=True)
    patch_vary_headers(response, ("Cookie",))
    if state.tell:
        response.set_cookie(
            TOLD, state.tell, httponly=True, samesite="Lax", secure=request.is_secure(),
            path=settings.SESSION_COOKIE_PATH, domain=settings.SESSION_COOKIE_DOMAIN,
        )  # fmt: skip


def _keep_device_id(state: seats.State, request: Any, response: Any) -> None:
    """A browser that signs in keeps its ID, also when its session is lost."""
    response.set_cookie(
        conf.current().device_id_cookie, state.device_id, max_age=400 * 86400, httponly=True, samesite="Lax", secure=request.is_secure(),
        path=settings.SESSION_COOKIE_PATH, domain=settings.SESSION_COOKIE_DOMAIN,
    )  # fmt: skip


def _sends_away(response: Any) -> bool:
    """Whether a visitor gets nothing but the way to the sign-in page."""
    if response.status_code in (401, 403):
        return True
    if response.status_code not in (301, 302, 303, 307, 308):
        return False
    to = urlsplit(response.get("Location", ""))
    return to.path == urlsplit(resolve_url(settings.LOGIN_URL)).path or REDIRECT_FIELD_NAME in parse_qs(to.query)


def _take_seat(request: Any, state: seats.State, response: Any) -> Flow:
    """The way out of a request that signed somebody in."""
    user, session = state.wants, request.session
    if response.status_code >= 500:  # the view failed
        yield from _sign_nobody_in(request, state)
        return response
    account = seats.account_of(user)
    try:
        said = yield functools.partial(seats.sign_in, user, request, state.came)
    except client.Away:
        if conf.current().when_down == "allow":
            session.pop(seats.RECORD, None)  # as a session that is older than oneseat
            return response
        yield from _sign_nobody_in(request, state)
        response.close()
        return pages.away(request)
    if said.status != 201:
        asked = choice.begin(request, said, response)
        yield from _sign_nobody_in(request, state)
        if asked is not None:
            session[choice.KEY] = asked
        response.close()
        if said.status != 409:
            log.error("oneseat refused a sign-in: %s: %s", said.body.get("title"), said.body.get("detail"))
            return pages.away(request)
        return pages.full(request, said.body)
    state.seat = seats.Seat(account, said.body["session"]["id"])
    state.refused = False
    session[seats.RECORD] = [*state.seat, seats.user_key(user)]
    try:
        session.save()
    except UpdateError:
        yield functools.partial(seats.sign_out, state.seat)
        raise SessionInterrupted("The session was deleted while its user signed in: by a sign-out in another tab.") from None
    return response


def _sign_nobody_in(request: Any, state: seats.State) -> Flow:
    """Undoes a sign-in that takes no seat. A visitor who was signed in as this very user
    still is. Of a sign-in as another user nothing is left, because Django has emptied that
    session already: its seat is signed out."""
    if state.seat is not None and state.record is not None and state.record[2] == seats.user_key(state.wants):
        request.session[seats.RECORD] = [*state.seat, state.record[2]]
        return
    seats.forget_user(request.session)
    _set_user(request, AnonymousUser())
    if state.seat is not None:
        yield functools.partial(seats.sign_out, state.seat)
        state.seat = None
