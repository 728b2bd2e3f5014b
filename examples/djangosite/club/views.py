import time

from django.contrib.auth.decorators import login_required
from django.http import StreamingHttpResponse
from django.shortcuts import render


@login_required
def members(request):
    return render(request, "members.html")


@login_required
def live(request):
    def picture():
        while True:
            yield f"{time.strftime('%X')} on air\n"
            time.sleep(0.1)

    return StreamingHttpResponse(picture(), content_type="text/plain")
