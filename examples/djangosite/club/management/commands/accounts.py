from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    help = "Makes the accounts ada, grace and alan. The password of each is its name. ada is of the staff."

    def handle(self, *args, **options):
        users = get_user_model().objects
        for name in ("ada", "grace", "alan"):
            if not users.filter(username=name).exists():
                users.create_user(name, password=name, is_staff=name == "ada", is_superuser=name == "ada")
