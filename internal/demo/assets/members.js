// members.js removes the live picture when oneseat.js says that the session has ended:
// browsers differ in what they still show of a picture that was cut.
addEventListener("oneseat:ended", () => { document.querySelector(".screen picture")?.remove(); });
