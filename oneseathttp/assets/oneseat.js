// oneseat.js tells every open page of this browser when its session ends, at once,
// with the reason and the kind of device. It asks before it leaves a page on which
// somebody has written, and before an unused session ends. It is a courtesy: the server
// refuses the next request whether or not this script runs.
//
//   <script type="module" src="/oneseat/oneseat.js"></script>
//
// docs/howto/open-pages.md says how code of the page takes part:
//
//   addEventListener("oneseat:ended", (e) => { e.preventDefault(); show(e.detail) })
//   addEventListener("oneseat:expiring", (e) => { e.preventDefault(); show(e.detail) })
//   dispatchEvent(new Event("oneseat:saved")) // what was written here is safe
//
// One tab, the leader, has the event stream and tells the other tabs, because a
// browser allows six connections to a site over HTTP/1.1. When the leader closes, or
// does not answer a tab that somebody looks at, another tab leads.
//
// The server sends this file without indentation, and without the lines that are only a
// comment.

const minute = 60000;
const base = new URL("./", import.meta.url);
const sleep = (time) => new Promise((resolve) => setTimeout(resolve, time));

// The dialogs are loaded when somebody has to be asked. If that fails the page stays as
// it is.
const dialogs = () => import(new URL("dialog.js", base));

// The channel of this guard. A browser delivers its messages to pages of this origin
// only, and such a page can do all that this script can. So a message needs no proof.
const name = "oneseat " + base.href;
const tabs = "BroadcastChannel" in self ? new BroadcastChannel(name) : null;

// What all tabs remember. Where the browser stores nothing, each tab remembers its own.
let marks = {};
try { marks = localStorage ?? marks; } catch {}
const mark = (key, value) => { try { marks[name + key] = value; } catch { marks = { [name + key]: value }; } };

// How much is left of a time that began at a mark. The clock may have been set back.
const leftOf = (time, at) => { const ago = Date.now() - at; return ago >= 0 && ago < time ? time - ago : 0; };

// The session of this page: the page says it, or else the server says it. The two
// differ when the browser has signed in again since the page was made.
const meta = document.querySelector("meta[name=oneseat-session]")?.content;
let session = meta;
let account;

// told: the session has ended, and this page tells its user. stays: after that the page
// stays on the screen.
let told = false;
let stays = false;

// What somebody writes

// The elements that somebody has written into, until that is saved. Only the page knows
// whether a form that a script sends was saved. A form that the browser sends is saved
// when its answer takes the place of the page.
const work = new Set();
const unsaved = () => [...work].some((at) => !at.matches?.(":autofill"));
const saved = (e) => {
  for (const at of work) if (!e.target.closest || e.target.contains(at) || at.form === e.target) work.delete(at);
};
addEventListener("oneseat:saved", saved, true);
addEventListener("reset", (e) => e.defaultPrevented || saved(e));

// What somebody wrote before this script came.
if (navigator.userActivation?.hasBeenActive) {
  for (const at of document.querySelectorAll("input, textarea")) if (at.value !== at.defaultValue || at.checked !== at.defaultChecked) work.add(at);
}

// When a form was last sent whose answer may replace this page. 0: never.
let sent = 0;
addEventListener("submit", (e) => setTimeout(() => {
  const target = e.submitter?.formTarget || e.target.target;
  if (!e.defaultPrevented && (!target || target === "_self") && e.target.method !== "dialog") sent = performance.now();
}), true);

// An event from inside a shadow tree arrives with the host of that tree as its target. A
// custom element that belongs to a form may have no field inside: a key that is typed
// into the element counts as writing.
const writes = (e) => {
  const typed = (at) => e.key?.length === 1 && customElements.get(at.localName)?.formAssociated;
  if (e.type !== "keydown" || e.composedPath().some(typed)) work.add(e.target);
};
const acts = (e) => { if (e.isTrusted) act(); };

// hear listens to a page and to the frames in it, because an editor may be a frame of
// this origin. It is called again when a frame has loaded: a frame that gets the focus while
// the page has none is not noticed. It is called again when the page loses the focus to a
// frame: an editor may write a document that never loads. A listener that is there
// already is not added again.
function hear(from = self) {
  try {
    for (const type of ["beforeinput", "input", "change", "paste", "drop", "keydown"]) from.addEventListener(type, writes, true);
    for (const type of ["input", "keydown", "pointerdown", "wheel"]) from.addEventListener(type, acts, { capture: true, passive: true });
    from.addEventListener("blur", hearAgain);
    from.document.addEventListener("load", hearAgain, true);
  } catch {
    return; // a frame of another origin
  }
  for (let i = 0; from[i]; i++) hear(from[i]);
}
const hearAgain = () => hear();
hear();

// What the server says

// ask returns {session, account, ...} if there is a session, else the refusal with its
// status, and {} without an answer.
async function ask(what = "session", method = "GET") {
  try {
    const answer = await fetch(new URL(what, base), { method, credentials: "include", headers: { Accept: "application/json" }, signal: AbortSignal.timeout(10000) });
    return await answer.json();
  } catch {
    return {};
  }
}

// heard acts on an answer of the server. It returns whether the session of this page is
// live.
function heard(is) {
  if (told) return stays && is.account && is.account === account && goOn(is);
  if (is.status === 401) ended({ ...is, session });
  else if (!is.account) timer || later(minute);
  else if (session && is.session !== session) ended({ reason: "renewed" });
  else {
    ({ session, account } = is);
    plan(is);
    return true;
  }
}

// tell passes an answer to all tabs, which have the same cookie. used: the session was
// used.
function tell(is, used) {
  if (is.account) tabs?.postMessage({ is, used });
  return heard(is);
}

// The event stream

// turn is set while this tab leads. queued: this tab waits for its turn. answered is
// when the leader last answered a probe.
let turn, queued, source;
let answered = 0;

// start gives this tab its turn: at once if it steals the turn, or else when the
// leader closes. The turn is held until the session ends, this tab closes, or another
// tab steals it.
function start(steal = false) {
  if (!tabs || !navigator.locks) return follow();
  if (queued && !steal) return;
  queued ||= !steal;
  navigator.locks.request(name, { steal }, () => {
    queued &&= steal;
    return follow();
  }).catch((e) => {
    if (e.name !== "AbortError") return follow();
    turn = null;
    source.close();
    start();
  });
}

// probe steals the turn if somebody looks at this tab and the leader does not answer in
// time. A browser may freeze the leader, which then keeps its turn and does nothing.
function probe(time) {
  const depends = () => queued && !turn && !told && !document.hidden;
  if (!depends()) return;
  const asked = performance.now();
  tabs.postMessage({ asks: true });
  setTimeout(() => { if (answered < asked && depends()) start(true); }, time);
}
setInterval(probe, 15000, 10000);
document.addEventListener("visibilitychange", () => probe(3000));

if (tabs) tabs.onmessage = ({ data: { asks, leads, end, is, used } }) => {
  // A frozen tab hears messages, but its timers stand still.
  if (asks && turn) setTimeout(() => tabs.postMessage({ leads: true }));
  if (leads) answered = performance.now();
  if (end && end.session === session) ended(end);
  if (used) acting = clearTimeout(acting);
  if (is) heard(is);
};

// follow keeps an event stream open until that tells of the end, or another tab leads.
async function follow() {
  const mine = turn = {};
  for (let wait = 1000; !told && turn === mine; wait = Math.min(wait * 2, 30000)) {
    const end = await listen(() => { wait = 1000; });
    if (end) {
      tabs?.postMessage({ end });
      ended(end);
      break;
    }
    await sleep(wait * (0.5 + Math.random()));
  }
  if (turn === mine) turn = null;
}

// listen opens one event stream. It resolves to the data of the end, or to null when
// the stream broke and has to be opened again.
function listen(works) {
  return new Promise((resolve) => {
    const mine = source = new EventSource(new URL("events", base), { withCredentials: true });
    const finish = (end) => { mine.close(); resolve(end); };
    mine.addEventListener("session", (e) => { works(); tell(JSON.parse(e.data)); });
    mine.addEventListener("ended", (e) => finish(JSON.parse(e.data)));
    mine.onerror = async () => {
      // An EventSource that is not closed reconnects by itself.
      if (mine.readyState !== EventSource.CLOSED) return;
      const is = await ask();
      finish(is.status === 401 ? is : null);
    };
  });
}

// The end

// ended first asks the server, with the cookie that the browser has now. Then the page
// goes away, unless code of the page prevents that, or somebody has to be asked.
async function ended(detail) {
  if (told) return;
  told = true;
  const is = await cookieOfNow(detail);
  const renewed = is.account && is.session !== session;
  // It was another session that ended. The session of this page is live.
  if (is.account && !renewed && detail.session !== session) return goOn(is);
  if (renewed) detail = { session, reason: "renewed" };
  else if (is.status === 401 && is.session) detail = is;
  shut();
  if (!renewed && !detail.sign_in) {
    // It was said that the browser has another session, and now there is no answer.
    told = false;
    return later(5000);
  }
  if (!dispatchEvent(new CustomEvent("oneseat:ended", { detail, cancelable: true }))) return;
  if (renewed && (unsaved() || sent) && is.account === account) return goOn(is);
  if (!unsaved()) {
    if (renewed) return location.reload();
    if (mayLeave(detail)) return leave(detail);
  }
  stays = true;
  const show = await dialogs();
  if (!stays) return;
  if (renewed) show.other(() => location.reload());
  else show.ended(detail, unsaved(), () => leave(detail));
}

// cookieOfNow asks again if there is something to wait for. The answer to a form that
// was sent replaces this page, and would be lost if the page left before. It may take a
// minute, as under Finish. If this browser has ended the session itself (detail.here), an
// answer on its way brings another cookie, after a change of password or a sign-in to
// another account, or clears the cookie, after a sign-out.
async function cookieOfNow(detail) {
  const began = performance.now();
  for (let wait = 50; ; wait = Math.min(wait * 2, 4000)) {
    const is = await ask();
    const now = performance.now();
    const signedOut = is.status === 401 && !is.session;
    if (is.account && is.session !== detail.session || !(sent && now < sent + minute) && !(detail.here && !signedOut && now < began + 5000)) return is;
    await sleep(wait);
  }
}

// goOn lets a page stay, with the session that this browser has now.
function goOn(is) {
  told = stays = false;
  sent = 0;
  past = null;
  shut();
  session = is.session;
  start();
  return heard(is);
}

// mayLeave lets the tabs of this browser go to the sign-in page by themselves, for one
// ending in half a minute and no more. The sign-in page may forward to one that signs in
// without asking, and two such browsers would displace each other for ever.
function mayLeave({ session }) {
  const [of, at] = JSON.parse(marks[name + "left"] ?? "[]");
  if (of === session) return true;
  if (leftOf(minute / 2, at)) return false;
  mark("left", JSON.stringify([session, Date.now()]));
  return true;
}

function leave(detail, go = (to) => location.assign(to)) {
  const to = new URL(detail.sign_in, location.href);
  to.searchParams.set("reason", detail.reason);
  if (location.pathname !== to.pathname) to.searchParams.set("next", location.pathname + location.search);
  go(to);
}

// A page from the browser's memory, by Back.
addEventListener("pageshow", async (e) => {
  if (e.persisted) unsaved() ? heard(await ask()) : location.reload();
});

// Use, and timeouts

// What a person does is use of the session. The server hears of it once a minute at
// most, from all tabs together, and once more before the session would end.
let acting;
const soonest = () => leftOf(minute, marks[name + "active"]);
function act() {
  if (!told && !asks && !acting && session) acting = setTimeout(report, soonest());
}

async function report(now) {
  acting = clearTimeout(acting);
  // Another tab may have reported meanwhile.
  if (!now && soonest()) return;
  mark("active", Date.now());
  if (!tell(await ask("active", "POST"), true) && now) later(5000);
}

// timer runs until the next look. asks is the dialog that asks whether somebody is
// there. past is the reason of the deadline that somebody was told of.
let timer, asks, past;
const later = (time) => { clearTimeout(timer); timer = setTimeout(look, time); };
const stop = () => { timer = clearTimeout(timer); };
const next = (is) => is.deadlines?.find((d) => d.reason !== past);

function plan(is) {
  stop();
  asks = asks?.close();
  const d = next(is);
  if (d) later(Math.min(Math.max(d.left_ms - d.notice_ms, 0), 360 * minute));
}

// look asks the server before it asks a person, because the session may have been used
// elsewhere.
async function look() {
  stop();
  if (acting) return report(true);
  const is = await ask();
  const d = next(is);
  if (told || !d || is.session !== session || d.left_ms - d.notice_ms > 1000) return heard(is);
  const idle = d.reason === "idle_timeout";
  if (!idle) past = d.reason;
  if (dispatchEvent(new CustomEvent("oneseat:expiring", { detail: d, cancelable: true }))) {
    const show = await dialogs();
    if (told) return;
    if (idle) asks = show.idle(d, () => report(true), signOut, () => later(1000));
    else show.tooOld(d, () => leave({ ...is, ...d }, unsaved() ? open : undefined));
  }
  if (!idle) plan(is);
}

async function signOut() {
  await ask(`sessions/${session}/end`, "POST");
  heard(await ask());
}

function shut() {
  stop();
  acting = clearTimeout(acting);
  asks = null;
  for (const dialog of document.querySelectorAll("dialog.oneseat")) dialog.close();
}

// The beginning. A page that was just loaded again, and still names another session than
// the browser's, is wrong.
const is = await ask();
const reloaded = performance.getEntriesByType("navigation")[0]?.type === "reload";
if (is.account && (!meta || reloaded)) session = is.session;

// A page that names no session may be public, or the sign-in page.
if (meta || is.status !== 401 || is.session && location.pathname !== new URL(is.sign_in, location.href).pathname) {
  tell(is);
  start();
}
