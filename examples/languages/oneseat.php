<?php
// Sign in, check and sign out with oneseat: what a site in PHP needs (php-curl).

// ask returns the status and the answer. 503: there was none, so treat it as no. The
// server is at https://HOST, http://HOST:PORT or unix:/PATH.
function ask(string $call, array $body, array $headers = []): array {
    $url = getenv('ONESEAT_URL');
    $unix = str_starts_with($url, 'unix:');
    $curl = curl_init(($unix ? 'http://localhost' : $url) . "/v1/$call");
    if ($unix) curl_setopt($curl, CURLOPT_UNIX_SOCKET_PATH, substr($url, 5));
    curl_setopt_array($curl, [
        CURLOPT_POSTFIELDS => json_encode($body, JSON_THROW_ON_ERROR),
        CURLOPT_HTTPHEADER => ['Authorization: Bearer ' . getenv('ONESEAT_KEY'), 'Content-Type: application/json', ...$headers],
        CURLOPT_RETURNTRANSFER => true, CURLOPT_TIMEOUT => 3,
    ]);
    for ($tries = 0; $tries < 3; $tries++) {
        $answer = curl_exec($curl);
        $status = curl_getinfo($curl, CURLINFO_RESPONSE_CODE);
        if ($answer !== false && $status !== 503) return [$status, json_decode($answer, true)];
    }
    return [503, ['title' => 'Try again in a moment']];
}

// sign_in is for after the password was verified. $token: the browser's cookie, or "". It
// returns the value of Set-Cookie, or null and what to say. 409 (full, blocked) is no
// failed password.
function sign_in(string $account, string $token, string $agent, string $ip): array {
    $once = 'Idempotency-Key: ' . (int) (microtime(true) * 1000) . '-' . bin2hex(random_bytes(16));
    [$status, $said] = ask('signin', ['account' => $account, 'token' => $token, 'device' => ['user_agent' => $agent, 'ip' => $ip]], [$once]);
    return $status === 201 ? [$said['set_cookie'], ''] : [null, $said['title']];
}

// check is for each request. It returns the account, or null and why. Only 200 is yes.
function check(string $token): array {
    [$status, $said] = ask('check', ['token' => $token]);
    return $status === 200 ? [$said['account'], ''] : [null, ($said['ending'] ?? $said)['title']];
}

// sign_out: then clear the cookie, if it returns true.
function sign_out(string $token): bool {
    return ask('signout', ['token' => $token])[0] === 200;
}
