from django.apps import AppConfig


class TutorialConfig(AppConfig):
    """The way in which a much-read tutorial keeps a user to one session. It is here to
    be compared with: see "What it replaces" in the README."""

    name = "tutorial"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self):
        from . import signals  # noqa: F401
