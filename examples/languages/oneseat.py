"""Sign in, check and sign out with oneseat: what a site in Python needs."""
import contextlib, http.client, json, os, secrets, socket, time, urllib.parse

URL, KEY = os.environ["ONESEAT_URL"], os.environ["ONESEAT_KEY"]

def connect():
    """A connection to https://HOST, http://HOST:PORT or unix:/PATH."""
    at = urllib.parse.urlsplit(URL)
    if at.scheme == "unix":
        connection = http.client.HTTPConnection("localhost")
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(3)
        connection.sock.connect(at.path)
        return connection
    kind = http.client.HTTPSConnection if at.scheme == "https" else http.client.HTTPConnection
    return kind(at.netloc, timeout=3)

def ask(call, headers={}, **body):
    """Returns the status and the answer. 503: there was none, so treat it as no."""
    headers = {"Authorization": "Bearer " + KEY, "Content-Type": "application/json", **headers}
    for _ in range(3):
        try:
            with contextlib.closing(connect()) as connection:
                connection.request("POST", f"/v1/{call}", json.dumps(body).encode(), headers)
                answer = connection.getresponse()
                if answer.status != 503:
                    return answer.status, json.load(answer)
        except (OSError, http.client.HTTPException):
            pass
    return 503, {"title": "Try again in a moment"}

def sign_in(account, token, user_agent, ip):
    """After the password was verified. token: the browser's cookie, or "". Returns the value
    of Set-Cookie, or None and what to say. 409 (full, blocked) is no failed password."""
    once = {"Idempotency-Key": f"{time.time_ns() // 10**6}-{secrets.token_urlsafe(18)}"}
    device = {"user_agent": user_agent, "ip": ip}
    status, said = ask("signin", once, account=account, token=token, device=device)
    return (said["set_cookie"], "") if status == 201 else (None, said["title"])

def check(token):
    """For each request. Returns the account, or None and why. Only 200 is yes."""
    status, said = ask("check", token=token)
    return (said["account"], "") if status == 200 else (None, said.get("ending", said)["title"])

def sign_out(token):
    """Then clear the cookie, if the status is 200."""
    return ask("signout", token=token)[0] == 200
