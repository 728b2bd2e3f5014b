// device.js tells the stage, which frames this page, that it is here and whose
// page it is, or why it is nobody's any more.
const at = document.querySelector("meta[name=stage]");
const account = document.querySelector("meta[name=account]")?.content ?? "";
const reason = document.querySelector("[data-reason]")?.dataset.reason ?? "";

function tell() {
  if (parent !== window) parent.postMessage({ device: at.dataset.device, account, reason }, at.content);
}

tell();
addEventListener("pageshow", (e) => { if (e.persisted) tell(); });
