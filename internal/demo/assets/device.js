// device.js tells the stage, which frames this page, that it is here and whose
// page it is.
const at = document.querySelector("meta[name=stage]");
const account = document.querySelector("meta[name=account]")?.content ?? "";

function tell() {
  if (parent !== window) parent.postMessage({ device: at.dataset.device, account }, at.content);
}

tell();
addEventListener("pageshow", (e) => { if (e.persisted) tell(); });
