from __future__ import annotations

from django.contrib import admin
from django.contrib.auth import views as auth
from django.urls import path

from . import views

urlpatterns = [
    path("", views.members),
    path("public/", views.public),
    path("poll/", views.members, name="poll"),
    path("asynchronous/", views.asynchronous),
    path("raises/<int:status>/", views.raises),
    path("cart/", views.cart),
    path("live/", views.live),
    path("become/<uuid:pk>/", views.become),
    path("accounts/login/", auth.LoginView.as_view()),
    path("accounts/logout/", auth.LogoutView.as_view()),
    path("password/", auth.PasswordChangeView.as_view(success_url="/", template_name="registration/login.html")),
    path("rest/", views.Rest.as_view()),
    path("admin/", admin.site.urls),
]
