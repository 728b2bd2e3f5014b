from django.conf import settings
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework_simplejwt.views import TokenObtainPairView, TokenRefreshView

if settings.SITE_SEATS == "oneseat":
    from oneseat_django.jwt import OneseatJWTAuthentication as JWTAuthentication
    from oneseat_django.jwt import OneseatTokenObtainPairSerializer as TokenObtainPairSerializer
    from oneseat_django.jwt import OneseatTokenRefreshSerializer as TokenRefreshSerializer
else:
    from rest_framework_simplejwt.authentication import JWTAuthentication
    from rest_framework_simplejwt.serializers import TokenObtainPairSerializer, TokenRefreshSerializer


class Obtain(TokenObtainPairView):
    serializer_class = TokenObtainPairSerializer


class Refresh(TokenRefreshView):
    serializer_class = TokenRefreshSerializer


class Me(APIView):
    authentication_classes = [JWTAuthentication]
    permission_classes = [IsAuthenticated]

    def get(self, request):
        return Response({"account": request.user.get_username()})
