from django.contrib import admin
from django.contrib.auth import views as auth
from django.urls import path

from . import api, views

urlpatterns = [
    path("", views.members),
    path("live", views.live),
    path("accounts/login/", auth.LoginView.as_view()),
    path("accounts/logout/", auth.LogoutView.as_view()),
    path("password/", auth.PasswordChangeView.as_view(template_name="password.html", success_url="/")),
    path("admin/", admin.site.urls),
    path("api/token/", api.Obtain.as_view()),
    path("api/token/refresh/", api.Refresh.as_view()),
    path("api/me", api.Me.as_view()),
]
