from django.contrib.auth import user_logged_in, user_logged_out
from django.dispatch import receiver

from .models import LoggedInUser


@receiver(user_logged_in)
def on_user_logged_in(sender, user, **kwargs):
    LoggedInUser.objects.get_or_create(user=user)


@receiver(user_logged_out)
def on_user_logged_out(sender, user, **kwargs):
    LoggedInUser.objects.filter(user=user).delete()
