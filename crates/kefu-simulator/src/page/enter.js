// When Enter sends.

/** Safari tells of the Enter that confirms a candidate after the composition has ended: that close behind it, in ms. */
const CONFIRMS_WITHIN = 50;

/** Calls `send` for an Enter that is meant, and never for one that an input method takes. */
export function onEnter(field, send) {
  let composing = false, ended = -Infinity;
  field.addEventListener("compositionstart", () => { composing = true; });
  field.addEventListener("compositionend", event => { composing = false; ended = event.timeStamp; });
  field.addEventListener("blur", () => { composing = false; });
  field.addEventListener("keydown", event => {
    if (event.key !== "Enter" || event.shiftKey) return;
    // 229: "an input method has this key", also where isComposing is false already.
    if (composing || event.isComposing || event.keyCode === 229) return;
    if (event.timeStamp - ended < CONFIRMS_WITHIN) return;
    event.preventDefault();
    if (!event.repeat) send();
  });
}
