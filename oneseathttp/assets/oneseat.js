// oneseat.js tells every open page of this browser when its session ends, at once,
// with the reason and the kind of device. It is a courtesy: the server refuses the
// next request whether or not this script runs.
//
//   <script type="module" src="/oneseat/oneseat.js"></script>
//
// Code of the page may listen, and prevent the default to do something else:
//
//   addEventListener("oneseat:ended", (e) => { e.preventDefault(); show(e.detail) })
//
// One tab, the leader, has the event stream and tells the other tabs, because a
// browser allows six connections to a site over HTTP/1.1. When the leader closes,
// another tab leads.

const words = {}; // filled in by the server
const say = (key, places = {}) => (words[key] ?? key).replace(/{(\w+)}/g, (_, place) => places[place]);

const base = new URL("./", import.meta.url);
const name = "oneseat " + base.host;
const tabs = "BroadcastChannel" in self ? new BroadcastChannel(name) : null;

let told = false;
let dirty = false; // somebody has written into a form of this page
let sent = 0; // when a form of this page was sent, whose answer may replace the page

addEventListener("input", (e) => { if (e.target.closest?.("form")) dirty = true; }, true);
addEventListener("submit", () => { dirty = false; }, true);
addEventListener("submit", (e) => {
  const target = e.submitter?.formTarget || e.target.target;
  if (!e.defaultPrevented && (!target || target === "_self") && e.target.method !== "dialog") sent = performance.now();
});
addEventListener("pageshow", (e) => { if (e.persisted) location.reload(); }); // from the browser's memory, by Back

// The session of this page: the page says it (<meta name="oneseat-session">), or else
// the server says it now. The two differ when the browser has signed in again since
// the page was made.
const now = await ask();
let session = document.querySelector("meta[name=oneseat-session]")?.content || now.session;
if (now.status === 401) ended(now);
else if (now.session && now.session !== session && performance.getEntriesByType("navigation")[0]?.type !== "reload") location.reload();

if (tabs) tabs.onmessage = (e) => ended(e.data);
start();

function start() {
  if (tabs && navigator.locks) {
    navigator.locks.request(name, follow); // held until the session ends or this tab closes
  } else {
    follow();
  }
}

// follow keeps an event stream open until it has told of an end.
async function follow() {
  for (let wait = 1000; !told; wait = Math.min(wait * 2, 30000)) {
    const end = await listen(() => { wait = 1000; });
    if (end) {
      tabs?.postMessage(end);
      ended(end);
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, wait * (0.5 + Math.random())));
  }
}

// listen opens one event stream. It resolves to the data of the end, or to null when
// the stream broke and has to be opened again.
function listen(works) {
  return new Promise((resolve) => {
    const source = new EventSource(new URL("events", base));
    const finish = (end) => { source.close(); resolve(end); };
    source.addEventListener("session", (e) => {
      works();
      // The browser has signed in again while the stream was broken.
      const to = JSON.parse(e.data);
      if (session && to.session !== session && !goOn(to) && !dirty) location.reload();
    });
    source.addEventListener("ended", (e) => finish(JSON.parse(e.data)));
    source.onerror = async () => {
      if (source.readyState !== EventSource.CLOSED) return; // it comes back by itself
      const said = await ask();
      finish(said.status === 401 ? said : null);
    };
  });
}

// ask asks the server. It returns {session} if there is one, else the refusal.
async function ask() {
  try {
    const answer = await fetch(new URL("session", base), { headers: { Accept: "application/json" } });
    return await answer.json();
  } catch {
    return {};
  }
}

async function ended(detail) {
  if (told || (session && detail.session && session !== detail.session)) return; // the end of another sign-in
  told = true;
  const to = await successor(detail);
  if (to) detail = { ...detail, reason: "renewed" };
  const event = new CustomEvent("oneseat:ended", { detail, cancelable: true });
  if (!dispatchEvent(event)) return;
  if (to && goOn(to)) {
    told = false;
    return start();
  }
  if (dirty) return warn(detail);
  if (to) return location.reload();
  leave(detail);
}

// successor waits, if there is something to wait for. The answer to a form that was
// sent replaces this page, and would be lost if the page left before. It may take a
// minute, as under Finish. A browser that has ended its own session, as by a change of
// password, gets another one: the cookie comes with an answer that is on its way.
// successor returns that session, or null.
async function successor(detail) {
  const until = performance.now() + 5000;
  for (let wait = 50; ; wait = Math.min(wait * 2, 1000)) {
    const at = performance.now();
    if (!(sent && at < sent + 60000) && !(detail.here && at < until)) return null;
    await new Promise((resolve) => setTimeout(resolve, wait));
    if (!detail.here) continue;
    const is = await ask();
    if (is.session && is.session !== session) return is;
  }
}

// goOn lets a page stay that somebody is writing on, or whose form was sent, when this
// browser has another session of the same account. Other pages are loaded again.
function goOn(to) {
  if (!(dirty || sent) || to.account !== now.account) return false;
  session = to.session;
  sent = 0;
  return true;
}

function leave(detail) {
  dirty = false;
  const to = new URL(detail.sign_in, location.href);
  to.searchParams.set("reason", detail.reason);
  if (location.pathname !== to.pathname) to.searchParams.set("next", location.pathname + location.search);
  location.assign(to);
}

// warn keeps the page on the screen, so that what was being written can be copied.
// Every rule of the page comes before the rules here (:where). They are in a style
// sheet of their own, which a Content-Security-Policy without inline styles allows.
function warn(detail) {
  const look = new CSSStyleSheet();
  look.replaceSync(`
    :where(dialog.oneseat) { box-sizing: border-box; width: min(30rem, 100vw - 2rem); padding: 1.5rem; border: 1px solid GrayText; border-radius: .875rem;
      font: 1rem/1.5 system-ui, sans-serif; color: CanvasText; background: Canvas; box-shadow: 0 1rem 3rem rgb(0 0 0 / 35%); overflow-wrap: anywhere; }
    :where(dialog.oneseat[open]) { display: grid; gap: .75rem; }
    :where(dialog.oneseat)::backdrop { background: rgb(8 14 22 / 55%); }
    :where(dialog.oneseat > *) { margin: 0; }
    :where(dialog.oneseat h2) { font-size: 1.15rem; line-height: 1.3; }
    :where(dialog.oneseat .oneseat-when) { display: flex; flex-wrap: wrap; gap: 0 1rem; font-size: .875rem; opacity: .75; }
    :where(dialog.oneseat > div) { display: flex; flex-wrap: wrap; gap: .6rem; padding-top: .5rem; }
    :where(dialog.oneseat button) { flex: 1 1 auto; min-height: 2.75rem; padding: .5rem 1.1rem; font: inherit; cursor: pointer; }`);
  document.adoptedStyleSheets.push(look);

  const dialog = document.createElement("dialog");
  dialog.className = "oneseat";
  dialog.setAttribute("aria-labelledby", "oneseat-title");
  const part = (to, tag, text, set = {}) => to.appendChild(Object.assign(document.createElement(tag), { textContent: text, ...set }));
  part(dialog, "h2", detail.title, { id: "oneseat-title" });
  part(dialog, "p", detail.detail);
  if (detail.not_you) part(dialog, "p", say("script.not_you"));
  part(dialog, "p", say("script.unsent"));
  const facts = [detail.at && new Date(detail.at).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" }), detail.reference && say("script.reference", detail)];
  const when = part(dialog, "p", "", { className: "oneseat-when" });
  for (const fact of facts.filter(Boolean)) part(when, "span", fact);
  const choice = part(dialog, "div", "");
  part(choice, "button", say("script.sign_in"), { type: "button", autofocus: true }).onclick = () => leave(detail);
  part(choice, "button", say("script.stay"), { type: "button" }).onclick = () => dialog.close();
  dialog.onclose = () => dialog.remove();
  document.body.append(dialog);
  dialog.showModal();
}
