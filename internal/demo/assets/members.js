// members.js takes the live picture down when oneseat.js says that the session has
// ended: browsers differ in what they leave standing of one that was cut.
addEventListener("oneseat:ended", () => { document.querySelector(".screen picture")?.remove(); });
