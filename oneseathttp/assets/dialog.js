// dialog.js has the dialogs of oneseat.js, which loads it when somebody has to be asked.
//
// Every dialog keeps the page behind it, with all that was written there. When a dialog
// opens, the focus is where a key does no harm: somebody may be typing at that moment.

const words = {}; // filled in by the server
const say = (key, places = {}) => fill(words[key] ?? key, places);
const fill = (text, places) => text.replace(/{(\w+)}/g, (_, place) => places[place]);

// ended says how a session ended. detail is that of the event oneseat:ended.
export function ended(detail, unsaved, signIn) {
  const at = detail.at && new Date(detail.at).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
  const facts = [at, detail.reference && say("script.reference", detail)];
  show(detail.title, [detail.detail, detail.not_you && say("script.not_you"), unsaved ? say("script.unsent") : say("script.again")], [[say("script.sign_in"), signIn], [say("script.stay")]], facts);
}

// other says that this browser is signed in to another account by now.
export function other(reload) {
  show(say("script.other"), [say("script.other_page")], [[say("script.reload"), reload], [say("script.stay")]]);
}

// idle asks whether somebody is there, and returns the dialog. The key Escape answers yes.
export function idle(deadline, stay, signOut, over) {
  const dialog = show(deadline.title, [" "], [[say("script.stay_in"), stay, true], [say("script.sign_out"), signOut]]);
  countDown(dialog, deadline, over);
  return dialog;
}

// tooOld says that the session ends soon, used or not.
export function tooOld(deadline, signIn) {
  countDown(show(deadline.title, [" "], [[say("script.sign_in"), signIn], [say("script.stay")]]), deadline, () => {});
}

// countDown says how much time is left, in steps. A screen reader reads out only some of
// the steps.
function countDown(dialog, { left_ms, detail }, over) {
  const text = dialog.querySelector("p");
  const until = performance.now() + left_ms;
  tick();
  function tick() {
    if (!dialog.open) return;
    const left = until - performance.now();
    if (left <= 0) {
      dialog.close();
      return over();
    }
    const seconds = Math.ceil(left / 10000) * 10;
    const said = fill(detail, { left: seconds > 120 ? say("script.minutes", { count: Math.ceil(left / 60000) }) : say("script.seconds", { count: seconds }) });
    text.ariaLive = seconds % 30 ? "off" : "polite";
    if (text.textContent !== said) text.textContent = said;
    setTimeout(tick, 1000);
  }
}

// show shows a dialog. A choice is a label, what it does, and whether Escape does that
// too. A choice that Escape makes gets the focus. Without one the title gets the focus.
function show(title, texts, choices, facts = []) {
  dress();
  const dialog = part(document.body, "dialog", "", { className: "oneseat", role: "alertdialog", ariaLabel: title });
  part(dialog, "h2", title, { tabIndex: -1, autofocus: !choices[0][2] }).style.outline = "none";
  for (const text of texts.filter(Boolean)) part(dialog, "p", text);
  const when = facts.length && part(dialog, "p", "", { className: "oneseat-when" });
  for (const fact of facts.filter(Boolean)) part(when, "span", fact);
  const row = part(dialog, "div", "");
  for (const [label, does, escape] of choices) {
    part(row, "button", label, { type: "button", autofocus: Boolean(escape) }).onclick = () => { dialog.close(); does?.(); };
    if (escape) dialog.oncancel = does;
  }
  dialog.addEventListener("close", () => dialog.remove());
  dialog.showModal();
  return dialog;
}

function part(to, tag, text, set) {
  return to.appendChild(Object.assign(document.createElement(tag), { textContent: text }, set));
}

// Any rule of the page overrides the rules here, because :where has no specificity. They
// are in a style sheet of their own, which a Content-Security-Policy without inline
// styles allows.
let look;
function dress() {
  if (look) return;
  look = new CSSStyleSheet();
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
}
