// stage.js puts the two devices on the stage and shows what happens behind it.

const words = {}; // filled in by the server
const say = (key, places = {}) => (words[key] ?? key).replace(/{(\w+)}/g, (_, place) => places[place]);

const get = (id) => document.getElementById(id);
const make = (tag, text, of = "") => Object.assign(document.createElement(tag), { textContent: text, className: of });
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });

function moment(at) {
  const t = make("time", clock.format(new Date(at)));
  t.dateTime = at;
  return t;
}

// The devices. A frame does not say whether its page came, so each page says it
// by itself. Frames are loaded from here, so that none speaks before we listen.
const patience = 2000; // ms
const frames = [...document.querySelectorAll("iframe[data-src]")];
const arrived = new Set();

addEventListener("message", (e) => {
  const frame = frames.find((f) => f.contentWindow === e.source);
  if (!frame || e.origin !== new URL(frame.dataset.src).origin) return;
  arrived.add(frame);
  if (arrived.size === frames.length) get("fallback").hidden = true;
  const { device, account, reason } = e.data;
  const state = get("state-" + device);
  state.textContent = account ? say("stage.in", { account }) : say("stage.out");
  state.classList.toggle("in", Boolean(account));
  state.classList.toggle("out", reason === "displaced");
  is[device] = { signedIn: Boolean(account), reason };
  cue();
});

// The sentence over the devices says what to do next. Where an account has more
// than one seat there is no such sentence.
const is = { phone: {}, laptop: {} };
const opening = get("cue")?.textContent;

function cue() {
  if (!opening || is.phone.signedIn && is.laptop.signedIn) return; // one of them is about to hear
  const [here, there] = is.phone.signedIn ? ["phone", "laptop"] : ["laptop", "phone"];
  if (!is[here].signedIn) get("cue").textContent = opening;
  else if (is[there].reason === "displaced") get("cue").textContent = here === "phone" ? say("stage.took_phone") : say("stage.took_laptop");
  else get("cue").textContent = there === "phone" ? say("stage.cue_phone") : say("stage.cue_laptop");
}

for (const frame of frames) frame.src = frame.dataset.src;
setTimeout(() => { get("fallback").hidden = arrived.size === frames.length; }, patience);

// Behind the stage.
const most = 200; // events that are kept
const source = new EventSource("/stage/events");
source.onopen = () => { get("link").textContent = say("stage.connected"); };
source.onerror = () => { get("link").textContent = say("stage.connecting"); };

source.addEventListener("roster", (e) => {
  get("roster").replaceChildren(...JSON.parse(e.data).map(({ account, seats }) => {
    const row = document.createElement("div");
    row.append(make("dt", account));
    if (!seats.length) row.append(make("dd", say("stage.nobody"), "nobody"));
    for (const { device, kind, since } of seats) {
      const seat = make("dd", device, "seat");
      const when = make("small", "");
      const [before, after] = (kind ? say("stage.kind_since", { kind, time: "\n" }) : say("stage.since", { time: "\n" })).split("\n");
      when.append(before, moment(since), after);
      seat.append(when);
      row.append(seat);
    }
    return row;
  }));
});

source.addEventListener("events", (e) => {
  const news = JSON.parse(e.data);
  const list = get("events");
  for (const { type, reason, account, at, text } of news) {
    const line = make("li", "", type);
    if (reason) line.dataset.reason = reason;
    const what = make("span", " ");
    what.prepend(make("strong", account));
    what.append(text);
    line.append(moment(at), what);
    list.prepend(line);
  }
  while (list.children.length > most) list.lastChild.remove();
  // A screen reader is told in words: of many events at once only the last.
  const spoken = get("spoken");
  const many = news.length > 3;
  const last = news.slice(many ? -1 : 0).map(({ account, text }) => `${account} ${text}. `).join("");
  spoken.append(make("span", many ? say("stage.several", { count: news.length, event: last }) : last));
  while (spoken.children.length > 5) spoken.firstChild.remove();
});

// The buttons.
async function press(button, path, told) {
  button.disabled = true;
  try {
    const answer = await fetch(path, { method: "POST", headers: { Accept: "application/json" } });
    get("result").textContent = answer.ok ? await told(answer) : say("stage.failed", { status: answer.status });
  } catch {
    get("result").textContent = say("stage.no_answer");
  }
  button.disabled = false;
}

get("rush").onclick = (e) => press(e.target, "/stage/rush", async (a) => (await a.json()).said);
get("clear").onclick = (e) => press(e.target, "/stage/clear", () => say("stage.cleared"));
