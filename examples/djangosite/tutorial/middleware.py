from django.contrib.sessions.models import Session


class OneSessionPerUserMiddleware:
    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        if request.user.is_authenticated:
            row = request.user.logged_in_user
            if row.session_key and row.session_key != request.session.session_key:
                Session.objects.get(session_key=row.session_key).delete()
            row.session_key = request.session.session_key
            row.save()
        return self.get_response(request)
