// watch.js shows the live picture while this page has a stream.
import { watch } from "/oneseat/stream/stream.js";

const screen = document.querySelector(".screen");
const picture = screen.querySelector("picture");
const calm = matchMedia("(prefers-reduced-motion: reduce)").matches ? "calm&" : "";

const stopped = screen.querySelector(".stopped");
stopped.hidden = true;
watch(screen, {
  play(id) {
    picture.hidden = false;
    picture.querySelector("img").src = `/live?${calm}stream=${id}`;
  },
  stop() {
    picture.hidden = true;
    picture.querySelector("img").removeAttribute("src");
  },
});
addEventListener("oneseat:ended", () => { stopped.hidden = false; });
