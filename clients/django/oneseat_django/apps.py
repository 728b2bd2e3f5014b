from __future__ import annotations

from django.apps import AppConfig


class OneseatConfig(AppConfig):
    name = "oneseat_django"
    label = "oneseat"
    verbose_name = "oneseat"
    default_auto_field = "django.db.models.AutoField"  # there is no model

    def ready(self) -> None:
        from . import checks, signals

        checks.register_all()
        signals.connect()
