"""What readers of the tutorial complain of. Each function plays it on a site, and returns
what went wrong, as a list of lines. With oneseat nothing does."""

from __future__ import annotations

import functools
import json
import re
import socket
import threading
from typing import Callable

from .site import PATIENCE, SAFARI, Answer, Browser, Site, at_once

All = dict[str, Callable[[Site, int], list[str]]]
ALL: All = {}


class Wrong(list):
    def unless(self, good: bool, what: str) -> None:
        if not good:
            self.append(what)

    def answer(self, answer: Answer, what: str) -> None:
        self.unless(answer.status < 500, f"{what}: {answer.status}")


def complaint(f: Callable[[Site, int, Wrong], None]) -> Callable[[Site, int], list[str]]:
    @functools.wraps(f)
    def play(site: Site, rounds: int) -> list[str]:
        wrong = Wrong()
        try:
            f(site, rounds, wrong)
        except Exception as why:  # what hangs, or sends no HTTP
            wrong.append(f"{type(why).__name__}: {why}")
        return wrong

    ALL[f.__name__] = play
    return play


def signed_in(site: Site, account: str, wrong: Wrong, agent: str = SAFARI) -> Browser:
    browser = Browser(site, agent)
    wrong.answer(browser.sign_in(account), "the sign-in")
    wrong.unless(browser.account() == account, f"{account} is not signed in after the sign-in")
    return browser


@complaint
def the_first_device_is_told_why_and_when(site: Site, rounds: int, wrong: Wrong) -> None:
    first = signed_in(site, "grace", wrong)
    signed_in(site, "grace", wrong)
    refused = first.get("/")
    page = first.get(refused.headers.get("Location") or "/accounts/login/")
    wrong.unless(bool(re.search(r"signed in on another device \(\d\d/\d\d/\d{4}.*\).*iPhone", page.text)), "there is no word why and when")


@complaint
def the_order_of_sign_ins_decides(site: Site, rounds: int, wrong: Wrong) -> None:
    first = signed_in(site, "grace", wrong)
    second = Browser(site)
    second.sign_in("grace")
    for _ in range(10):
        wrong.unless(first.account() == "", "the first device goes on until the second one asks for a page")
    wrong.unless(second.account() == "grace", "the second device is not signed in")


@complaint
def a_stored_session_that_vanished(site: Site, rounds: int, wrong: Wrong) -> None:
    browser = signed_in(site, "alan", wrong)
    site.lose_sessions()
    wrong.answer(browser.get("/"), "a page after the stored session is gone")
    wrong.answer(browser.get("/accounts/login/"), "the sign-in page after it")
    other = signed_in(site, "alan", wrong)
    wrong.answer(other.post("/accounts/logout/"), "the sign-out after it")


@complaint
def another_account_in_the_same_browser(site: Site, rounds: int, wrong: Wrong) -> None:
    browser = signed_in(site, "alan", wrong)
    wrong.answer(browser.sign_in("grace"), "the sign-in as another user")
    wrong.unless(browser.account() == "grace", "the other user is not signed in")
    signed_in(site, "alan", wrong)


@complaint
def a_takeover_shown_to_six_tabs(site: Site, rounds: int, wrong: Wrong) -> None:
    for _ in range(rounds):
        first = signed_in(site, "grace", wrong)
        second = Browser(site)
        second.sign_in("grace")
        for tab in at_once(*6 * [lambda: second.get("/")]):
            wrong.unless(isinstance(tab, Answer) and tab.account == "grace", f"a tab of the second device: {getattr(tab, 'status', tab)}")
        wrong.unless(first.account() == "", "the first device is still signed in")


@complaint
def a_password_change(site: Site, rounds: int, wrong: Wrong) -> None:
    other = signed_in(site, "alan", wrong)
    browser = signed_in(site, "alan", wrong)
    for old, new in (("alan", "tr0mbone-xyz"), ("tr0mbone-xyz", "alan-xyz-1234")):
        browser.get("/password/")
        wrong.answer(browser.post("/password/", old_password=old, new_password1=new, new_password2=new), "the password change")
        after = browser.get("/")
        wrong.answer(after, "the page after the password change")
        wrong.unless(after.account == "alan", "who changed the password is signed out")
    wrong.unless(other.account() == "", "the other device is still signed in")
    wrong.answer(browser.post("/accounts/logout/"), "the sign-out after the password change")
    again = Browser(site)
    wrong.answer(again.sign_in("alan", "alan-xyz-1234"), "a sign-in with the new password")
    wrong.unless(again.account() == "alan", "the new password does not sign in")
    # The other complaints need the old password. Another user sets it, in the admin.
    admin = signed_in(site, "ada", wrong)
    key = re.search(r'/admin/auth/user/(\d+)/change/">alan<', admin.get("/admin/auth/user/").text)
    form = f"/admin/auth/user/{key[1] if key else 0}/password/"
    admin.get(form)
    wrong.answer(admin.post(form, password1="alan", password2="alan"), "the password change in the admin")
    wrong.unless(again.account() == "", "a device goes on although the staff set another password")
    signed_in(site, "alan", wrong)


@complaint
def a_live_stream_on_the_first_device(site: Site, rounds: int, wrong: Wrong) -> None:
    first = signed_in(site, "grace", wrong)
    stream = first.ask("GET", "/live")
    stream.read(10)
    signed_in(site, "grace", wrong)
    more = 0
    try:
        # oneseat looks at an endless answer once a second. One that lasts five seconds never ends.
        while more < 50 and stream.readline():
            more += 1
    except (OSError, socket.timeout, ValueError, Exception):  # it broke off, as it should
        pass
    first.close()
    wrong.unless(more < 50, "the live picture goes on after the second sign-in")


@complaint
def jwt_in_drf(site: Site, rounds: int, wrong: Wrong) -> None:
    def tokens() -> dict[str, str]:
        answer = Browser(site).post("/api/token/", username="grace", password="grace")
        wrong.unless(answer.status == 200, f"no token: {answer.status} {answer.text}")
        return json.loads(answer.text)

    def me(access: str) -> tuple[int, str]:
        b = Browser(site)
        answer = Answer(b.ask("GET", "/api/me", headers={"Authorization": f"Bearer {access}"}))
        b.close()
        return answer.status, answer.text

    first = tokens()
    wrong.unless(me(first["access"]) == (200, '{"account":"grace"}'), "the first token is refused")
    second = tokens()
    status, said = me(first["access"])
    wrong.unless(status == 401, "the first token goes on after the second sign-in")
    wrong.unless("signed in on another device" in said, "no word says why")
    refreshed = Browser(site).post("/api/token/refresh/", refresh=first["refresh"])
    wrong.unless(refreshed.status == 401, "the first token is even refreshed")
    refreshed = Browser(site).post("/api/token/refresh/", refresh=second["refresh"])
    wrong.unless(refreshed.status == 200 and me(json.loads(refreshed.text)["access"])[0] == 200, "the second token cannot be refreshed")


@complaint
def a_sign_out_while_five_tabs_reload(site: Site, rounds: int, wrong: Wrong) -> None:
    for _ in range(rounds):
        browser = signed_in(site, "grace", wrong)
        tab = lambda: [browser.get("/") for _ in range(4)]  # noqa: E731
        answers = at_once(lambda: [browser.post("/accounts/logout/")], *5 * [tab])
        for answer in [a for some in answers if isinstance(some, list) for a in some]:
            wrong.answer(answer, "while the user signs out")
        wrong.extend(f"while the user signs out: {a}" for a in answers if not isinstance(a, list))
        wrong.unless(browser.account() == "", "still signed in after the sign-out")


@complaint
def a_sign_out_of_the_first_device_before_the_second_asked(site: Site, rounds: int, wrong: Wrong) -> None:
    first = signed_in(site, "grace", wrong)
    second = Browser(site)
    second.sign_in("grace")
    wrong.answer(first.post("/accounts/logout/"), "the sign-out")
    after = second.get("/")
    wrong.unless(after.account == "grace", f"the second device: {after.status}")


@complaint
def the_first_device_polls_while_the_second_signs_in(site: Site, rounds: int, wrong: Wrong) -> None:
    for _ in range(rounds):
        first = signed_in(site, "grace", wrong)
        stop, answered, late = threading.Event(), threading.Event(), []

        def poll() -> None:
            while not stop.is_set():
                begun_after = answered.is_set()
                account = first.account()
                if begun_after:
                    late.append(account)

        polls = [threading.Thread(target=poll) for _ in range(3)]
        for p in polls:
            p.start()
        second = Browser(site)
        wrong.answer(second.sign_in("grace"), "the second sign-in")
        answered.set()
        for _ in range(3):
            seen = second.get("/")
            wrong.unless(seen.account == "grace", f"the newer device is thrown out: {seen.status}")
        stop.set()
        for p in polls:
            p.join(PATIENCE)
        wrong.unless(not any(late), f"{sum(map(bool, late))} of {len(late)} requests that began after the second sign-in was answered were let through")
        wrong.unless(first.account() == "", "the first device is still signed in")


@complaint
def eight_sign_ins_at_once(site: Site, rounds: int, wrong: Wrong) -> None:
    for _ in range(rounds):
        browsers = [Browser(site) for _ in range(8)]
        for b in browsers:
            b.get("/accounts/login/")
        for answer in at_once(*[functools.partial(b.post, "/accounts/login/", username="grace", password="grace") for b in browsers]):
            wrong.unless(isinstance(answer, Answer) and answer.status == 302, f"a sign-in: {getattr(answer, 'status', answer)}")
        at_once(*[lambda b=b: b.get("/") for b in browsers])
        live = sum(b.account() == "grace" for b in browsers)
        wrong.unless(live == 1, f"{live} sessions are live")
