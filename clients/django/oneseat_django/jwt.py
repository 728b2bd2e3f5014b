"""For Django REST framework with simplejwt: a token holds a seat like a browser does, and
is refused when another device has signed in, before it expires."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import update_last_login
from rest_framework import status
from rest_framework.exceptions import APIException, AuthenticationFailed
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.exceptions import InvalidToken
from rest_framework_simplejwt.serializers import TokenObtainPairSerializer, TokenRefreshSerializer
from rest_framework_simplejwt.settings import api_settings

from . import client, pages, seats

CLAIM = "oneseat"  # of a token: the account, and the ID of the seat


class NoAnswer(APIException):
    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_detail = "Please try again in a moment"
    default_code = "no_answer"


class AccountFull(APIException):
    status_code = status.HTTP_409_CONFLICT
    default_code = "account_full"


def _check(token: Any, use: bool) -> None:
    """Raises if a token's seat is not live."""
    claim = token.get(CLAIM)
    if not isinstance(claim, list) or len(claim) != 2:
        raise InvalidToken(pages.AGAIN)  # it is older than oneseat
    try:
        verdict = seats.check(seats.Seat(*claim), use)
    except client.Away as why:
        raise NoAnswer() from why
    if verdict.seat is None:
        raise AuthenticationFailed(pages.words(verdict.ending), code="session_ended")


class OneseatTokenObtainPairSerializer(TokenObtainPairSerializer):
    """Takes a seat for the pair of tokens that it makes."""

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        data: dict[str, Any] = super(TokenObtainPairSerializer, self).validate(attrs)
        account = seats.account_of(self.user)
        try:
            said = seats.sign_in(self.user, self.context["request"], None)
        except client.Away as why:
            raise NoAnswer() from why
        if said.status != 201:
            raise AccountFull(said.body.get("title"), code=said.body.get("type", "").rpartition(":")[2].replace("-", "_"))
        refresh = self.get_token(self.user)
        refresh[CLAIM] = [account, said.body["session"]["id"]]
        data["refresh"], data["access"] = str(refresh), str(refresh.access_token)
        if api_settings.UPDATE_LAST_LOGIN:
            update_last_login(None, self.user)
        return data


class OneseatTokenRefreshSerializer(TokenRefreshSerializer):
    """Refreshes a token whose seat is live. A refresh is no activity."""

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        _check(self.token_class(attrs["refresh"]), use=False)
        data: dict[str, Any] = super().validate(attrs)
        return data


class OneseatJWTAuthentication(JWTAuthentication):
    """Accepts a token whose seat is live."""

    def get_user(self, validated_token: Any) -> Any:
        user = super().get_user(validated_token)
        _check(validated_token, use=True)
        return user
