// Sign in, check and sign out with oneseat: what a site in Node needs.
import { randomBytes } from "node:crypto";
import http from "node:http";
import https from "node:https";

const { ONESEAT_URL: url, ONESEAT_KEY: key } = process.env;

// post sends a call to https://HOST, http://HOST:PORT or unix:/PATH.
const post = (path, headers, body) => new Promise((done, fail) => {
  const options = { method: "POST", headers, signal: AbortSignal.timeout(3000) };
  const got = async (answer) => {
    let text = "";
    try {
      for await (const part of answer.setEncoding("utf8")) text += part;
      done([answer.statusCode, JSON.parse(text)]);
    } catch (e) { fail(e); }
  };
  const call = url.startsWith("unix:") ? http.request({ ...options, socketPath: url.slice(5), path }, got)
    : (url.startsWith("https:") ? https : http).request(url + path, options, got);
  call.on("error", fail).end(JSON.stringify(body));
});

// ask returns the status and the answer. 503: there was none, so treat it as no.
async function ask(call, body, headers = {}) {
  headers = { Authorization: `Bearer ${key}`, "Content-Type": "application/json", ...headers };
  for (let tries = 0; tries < 3; tries++) {
    try {
      const [status, answer] = await post(`/v1/${call}`, headers, body);
      if (status !== 503) return [status, answer];
    } catch {}
  }
  return [503, { title: "Try again in a moment" }];
}

// signIn is for after the password was verified. token: the browser's cookie, or "". It
// returns the value of Set-Cookie, or null and what to say. 409 (full, blocked) is no
// failed password.
export async function signIn(account, token, user_agent, ip) {
  const once = { "Idempotency-Key": `${Date.now()}-${randomBytes(18).toString("base64url")}` };
  const [status, said] = await ask("signin", { account, token, device: { user_agent, ip } }, once);
  return status === 201 ? [said.set_cookie, ""] : [null, said.title];
}

// check is for each request. It returns the account, or null and why. Only 200 is yes.
export async function check(token) {
  const [status, said] = await ask("check", { token });
  return status === 200 ? [said.account, ""] : [null, (said.ending ?? said).title];
}

// signOut: then clear the cookie, if it returns true.
export async function signOut(token) {
  return (await ask("signout", { token }))[0] === 200;
}
