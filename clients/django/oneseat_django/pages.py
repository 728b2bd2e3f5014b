"""What a visitor is shown: the message with the reason, and the pages for a server that
is away and for an account that is full."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Optional

from django.contrib import messages
from django.http import HttpResponse, JsonResponse
from django.middleware.csrf import get_token
from django.template import Engine, TemplateDoesNotExist, loader
from django.template.context import Context
from django.utils import formats, timezone
from django.utils.dateparse import parse_datetime

FIELD = "oneseat_end"  # of the form for a full account: the IDs that are to end
AGAIN = "Please sign in again."


def words(ending: Optional[dict[str, Any]]) -> str:
    """Why a session ended, and when."""
    if ending is None:
        return AGAIN
    at = parse_datetime(ending.get("at", ""))
    when = ""
    if at is not None:
        if timezone.is_aware(at):
            at = timezone.localtime(at)
        when = f" ({formats.date_format(at, 'SHORT_DATETIME_FORMAT')})"
    return f"{ending['title']}{when}. {ending['detail']}"


def tell(request: Any, ending: Optional[dict[str, Any]]) -> bool:
    """Queues the message with the reason. Returns whether it did: there may be nothing to
    tell, or no way to."""
    if ending is not None and ending.get("reason") in ("signed_out", "renewed"):
        return False  # the visitor knows
    if not hasattr(request, "_messages"):
        return False
    messages.warning(request, words(ending))
    return True


def away(request: Any) -> HttpResponse:
    """Says that there was no answer. Nobody was signed out."""
    response = _page(request, "oneseat/away.html", 503, {"title": "Please try again in a moment"})
    response["Retry-After"] = "1"
    return response


def full(request: Any, problem: dict[str, Any]) -> HttpResponse:
    """Says that an account is full, and who has its seats; or that it is blocked."""
    said = {
        "title": problem.get("title", ""),
        "blocked": problem.get("type", "").endswith(":account-blocked"),
        "until": parse_datetime(problem.get("until", "")),
        "choose": "ticket" in problem,
        "field": FIELD,
        "live": [{"id": s["id"], "label": s["device"].get("label", ""), "last_seen": parse_datetime(s["last_seen"])} for s in problem.get("live", ())],
    }
    return _page(request, "oneseat/full.html", 409, said)


def _page(request: Any, name: str, status: int, said: dict[str, Any]) -> HttpResponse:
    if "text/html" not in request.META.get("HTTP_ACCEPT", "text/html"):
        response: HttpResponse = JsonResponse({"title": said["title"], "status": status}, status=status, content_type="application/problem+json")
    else:
        try:
            text = loader.get_template(name).render(said, request)
        except TemplateDoesNotExist:  # APP_DIRS is off
            own = Engine(dirs=[str(Path(__file__).parent / "templates")])
            text = own.get_template(name).render(Context({**said, "csrf_token": get_token(request)}))
        response = HttpResponse(text, status=status)
    response["Cache-Control"] = "no-store"
    return response
