from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model, login
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, StreamingHttpResponse
from rest_framework.authentication import SessionAuthentication
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from rest_framework.views import APIView


class Rest(APIView):
    authentication_classes = [SessionAuthentication]
    permission_classes = [IsAuthenticated]

    def get(self, request: Any) -> Response:
        return Response(request.user.username)


pieces = iter(())  # what /live/ sends; a test sets it


@login_required
def members(request: Any) -> HttpResponse:
    return HttpResponse(f"hello {request.user.username}")


def public(request: Any) -> HttpResponse:
    return HttpResponse("for everybody")


async def asynchronous(request: Any) -> HttpResponse:
    return HttpResponse("asynchronous")


def raises(request: Any, status: int) -> HttpResponse:
    """Signs in, and fails then."""
    login(request, get_user_model().objects.get(username=request.GET["user"]))
    if status == 500:
        raise ValueError("on purpose")
    return HttpResponse("failed", status=status)


def cart(request: Any) -> HttpResponse:
    request.session["cart"] = request.session.get("cart", 0) + 1
    return HttpResponse(str(request.session["cart"]))


@login_required
def live(request: Any) -> StreamingHttpResponse:
    return StreamingHttpResponse(pieces)


def become(request: Any, pk: Any) -> HttpResponse:
    login(request, get_user_model().objects.get(pk=pk))
    return HttpResponse("signed in")
