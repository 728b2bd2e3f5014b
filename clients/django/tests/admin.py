from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin

from oneseat_django.admin import SeatsAdminMixin

from .models import User

class Admin(SeatsAdminMixin, UserAdmin):
    pass


admin.site.register(User, Admin)
