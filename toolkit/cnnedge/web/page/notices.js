/**
 * What to do where there is no camera, for the browser at hand. A problem enters; a title, steps and
 * a text leave.
 *
 * @typedef {import("./camera.js").CameraProblem["kind"]} Kind
 * @typedef {{title: string, steps: string[], text: string}} Notice
 */

const PICTURES = "Without it, pictures can be taken, chosen or dropped here: they are labelled alike.";

/** @param {string} agent */
function browserOf(agent) {
  if (/FBAN|FBAV|Instagram|Line\/|MicroMessenger|WhatsApp|Snapchat|; wv\)/.test(agent)) {
    return "inside";
  }
  const apple = /iPhone|iPad|Macintosh.*Mobile/.test(agent);
  if (apple) return /CriOS/.test(agent) ? "ios-chrome" : "ios-safari";
  if (/Android/.test(agent)) return "android";
  return /Safari/.test(agent) && !/Chrome|Chromium/.test(agent) ? "mac-safari" : "desktop";
}

/** @type {Record<string, string[]>} */
const ALLOW = {
  inside: [
    "This page is open inside another app, which may keep the camera from it.",
    "Choose “Open in Safari” or “Open in Chrome” in that app's menu.",
  ],
  "ios-safari": [
    "In Safari, tap the button beside the address, then Website Settings (under …).",
    "Set Camera to Allow, and load the page again.",
    "If that is not there: Settings, Apps, Safari, Camera.",
  ],
  "ios-chrome": ["Open Settings, Apps, Chrome.", "Turn Camera on, and load the page again."],
  android: [
    "In Chrome, tap the sign left of the address, then Permissions.",
    "Allow Camera, and load the page again.",
    "If it is still refused: Settings, Apps, Chrome, Permissions, Camera.",
  ],
  "mac-safari": [
    "In Safari, open the menu Safari, Settings for This Website.",
    "Set Camera to Allow, and load the page again.",
  ],
  desktop: [
    "In Chrome, click the sign left of the address.",
    "Turn Camera on, and load the page again.",
  ],
};

/**
 * @param {Kind} kind
 * @param {string} [agent]
 * @returns {Notice}
 */
export function noticeFor(kind, agent = navigator.userAgent) {
  switch (kind) {
    case "refused":
      return { title: "The camera was refused", steps: ALLOW[browserOf(agent)], text: PICTURES };
    case "insecure":
      return {
        title: "No camera over plain http",
        steps: [],
        text:
          "Browsers give the camera to pages that came over https, or from this very device, " +
          `alone: start cnnedge demo without --http. ${PICTURES}`,
      };
    case "busy":
      return {
        title: "The camera cannot be started",
        steps: ["Close other apps and pages that use it.", "Then try again."],
        text: PICTURES,
      };
    case "gone":
      return { title: "The camera is gone", steps: [], text: `It was taken away. ${PICTURES}` };
    default:
      return { title: "There is no camera here", steps: [], text: PICTURES };
  }
}
