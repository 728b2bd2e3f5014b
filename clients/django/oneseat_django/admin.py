"""For the admin of users: who is signed in where, and an action that signs out."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.utils import formats, timezone
from django.utils.dateparse import parse_datetime
from django.utils.html import format_html_join

from . import client, seats


class SeatsAdminMixin:
    """Stands before UserAdmin: class MyUserAdmin(SeatsAdminMixin, UserAdmin). The page of a
    user lists the sessions, and the list of users has an action that ends them."""

    def get_actions(self, request: Any) -> Any:
        actions = super().get_actions(request)  # type: ignore[misc]
        if self.has_change_permission(request):  # type: ignore[attr-defined]
            actions["oneseat_sign_out"] = (_sign_out, "oneseat_sign_out", "Sign out everywhere")
        return actions

    def get_readonly_fields(self, request: Any, obj: Any = None) -> Any:
        return (*super().get_readonly_fields(request, obj), "oneseat_sessions")  # type: ignore[misc]

    def get_fieldsets(self, request: Any, obj: Any = None) -> Any:
        fieldsets = super().get_fieldsets(request, obj)  # type: ignore[misc]
        return fieldsets if obj is None else [*fieldsets, ("Sessions", {"fields": ["oneseat_sessions"]})]

    @admin.display(description="signed in on")
    def oneseat_sessions(self, obj: Any) -> str:
        try:
            live = seats.live(obj)
        except client.Away:
            return "oneseat does not answer"
        lines = format_html_join("", "<div>{}, since {}, last seen {}</div>", map(_words, live))
        return str(lines) if live else "no device"


def _words(session: dict[str, Any]) -> tuple[str, ...]:
    return session["device"].get("label", ""), _time(session["created"]), _time(session["last_seen"])


def _time(text: str) -> str:
    at = parse_datetime(text)
    return str(formats.date_format(timezone.localtime(at), "SHORT_DATETIME_FORMAT")) if at else ""


def _sign_out(model_admin: Any, request: Any, users: Any) -> None:
    ended = 0
    try:
        for user in users:
            ended += seats.end_all(user, "revoked", f"staff: {request.user.get_username()}")
    except client.Away:
        messages.error(request, f"oneseat does not answer, so not all were signed out. Sessions that ended: {ended}.")
        return
    messages.success(request, f"Sessions that ended: {ended}.")
