// stream.js keeps a stream for one player of this page. It starts a stream, sends its
// heartbeats, and stops it when the page is left.
//
//   import { watch } from "/oneseat/stream/stream.js";
//   watch(document.querySelector(".player"), {
//     title: "Cosmos, episode 1",                         // what plays; may be left out
//     play(id) { video.src = "/media?stream=" + id; },   // the stream has started
//     stop() { video.removeAttribute("src"); },           // the stream has ended
//   });
//
// When the account plays as many streams as it may, or another device has taken the
// place of this stream, a panel over the element says so and offers to play here
// instead. A reload, a seek or another quality keeps the stream.

const words = {}; // filled in by the server
const say = (key, places = {}) => (words[key] ?? key).replace(/{(\w+)}/g, (_, place) => places[place]);

const base = new URL("./", import.meta.url);

export function watch(element, { title = "", play, stop }) {
  const player = keptID();
  let stream = "";
  let timer = 0;
  let closed = false;

  addEventListener("pagehide", () => giveBack());
  addEventListener("pageshow", (e) => { if (e.persisted) start(); });
  start();
  return { close() { closed = true; giveBack(); } };

  async function start(instead) {
    if (closed) return;
    const form = new URLSearchParams({ player, title });
    if (instead) form.set("instead", instead);
    const said = await post("start", form);
    if (said.stream) {
      hide(element);
      stream = said.stream;
      play(stream);
      beat(stream, said.beat_ms);
    } else if (said.status === 409) {
      offer(said);
    } else if (said.status !== 401) { // oneseat.js tells of a session that has ended
      timer = setTimeout(start, 3000);
    }
  }

  // beat keeps the stream as long as it is ours. The server answers when the next beat
  // is due, or when the stream ends.
  async function beat(mine, every) {
    while (stream === mine) {
      const began = Date.now();
      const said = await post(mine + "/beat");
      if (stream !== mine) return; // given back meanwhile
      if (said.status === 410) return lost(said);
      if (said.status === 404) { lost(); return start(); } // nothing was heard of us for too long, as after sleep
      if (said.status === 401) return lost();
      // A beat that was answered too soon, or not at all, is not repeated at once.
      const early = Math.min(every, 2000) - (Date.now() - began);
      if (early > 0) await new Promise((resolve) => setTimeout(resolve, early));
    }
  }

  // lost stops what plays, and says why.
  function lost(said) {
    clearTimeout(timer);
    stream = "";
    stop();
    if (said) offer(said);
  }

  function giveBack() {
    clearTimeout(timer);
    if (!stream) return;
    navigator.sendBeacon(new URL(stream + "/stop", base));
    stream = "";
    stop();
  }

  // offer says why nothing plays, with a button for each way to play.
  function offer(said) {
    const others = said.streams ?? [];
    const panel = show(element, said);
    const list = part(panel, "div", "", "oneseat-choices");
    for (const other of others) {
      const device = other.device.label || say("device.another");
      const stop = other.here ? say("player.stop_here") : other.title ? say("player.stop_title", { title: other.title, device }) : say("player.stop_there", { device });
      part(list, "button", stop).onclick = () => start(other.id);
    }
    if (others.length === 0) part(list, "button", say("player.again")).onclick = () => start();
    list.querySelector("button").focus({ preventScroll: true });
  }
}


// post sends a form. It returns at least a status, which is 0 without an answer.
async function post(path, body) {
  try {
    const answer = await fetch(new URL(path, base), { method: "POST", body, headers: { Accept: "application/json" } });
    return answer.status === 204 ? { status: 204 } : { status: answer.status, ...(await answer.json()) };
  } catch {
    return { status: 0 };
  }
}

// keptID is this tab's player: the same after a reload.
function keptID() {
  const key = "oneseat player";
  let id = sessionStorage.getItem(key);
  // A tab that was duplicated has a copy of the storage, and is another player.
  if (!id || performance.getEntriesByType("navigation")[0]?.type === "navigate") {
    id = crypto.randomUUID?.() ?? Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, "0")).join("");
    sessionStorage.setItem(key, id);
  }
  return id;
}

function part(to, tag, text, className = "") {
  return to.appendChild(Object.assign(document.createElement(tag), { textContent: text, className, ...(tag === "button" && { type: "button" }) }));
}

function hide(element) {
  element.querySelector(":scope > .oneseat-stream")?.remove();
}

// show puts the panel over the element. Any rule of the page overrides the rules here,
// because :where has no specificity. They are in a style sheet of their own, which a
// Content-Security-Policy without inline styles allows.
let styled = false;
function show(element, said) {
  hide(element);
  if (!styled) {
    const look = new CSSStyleSheet();
    look.replaceSync(`
      :where(.oneseat-stream) { position: absolute; inset: 0; display: grid; place-content: center; justify-items: center; gap: .5rem; padding: 1rem; text-align: center;
        font: 1rem/1.45 system-ui, sans-serif; color: #f2f5f8; background: rgb(10 16 24 / 88%); overflow: auto; }
      :where(.oneseat-stream > *) { margin: 0; max-width: 32rem; }
      :where(.oneseat-stream h2) { font-size: 1.15rem; line-height: 1.3; }
      :where(.oneseat-choices) { display: flex; flex-wrap: wrap; justify-content: center; gap: .5rem; padding-top: .5rem; }
      :where(.oneseat-stream button) { min-height: 2.75rem; padding: .5rem 1rem; font: inherit; font-weight: 600; color: #0d1712; background: #8fe0c3; border: 0; border-radius: .5rem; cursor: pointer; }
      :where(.oneseat-stream button:focus-visible) { outline: 3px solid #f2f5f8; outline-offset: 2px; }`);
    document.adoptedStyleSheets.push(look);
    styled = true;
  }
  if (getComputedStyle(element).position === "static") element.style.position = "relative";
  const panel = part(element, "div", "", "oneseat-stream");
  panel.setAttribute("role", "alert");
  part(panel, "h2", said.title);
  part(panel, "p", said.detail);
  return panel;
}
