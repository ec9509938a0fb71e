// The chat: lines are added and changed in place, so that focus stays where it is and only what is new is read out.

import { fill } from "./words.js";

/** So far from the end still counts as reading the newest line, in pixels. */
const NEAR_END = 60;

/** `recall(msgid)` is called for 撤回. */
export function chatLines(box, recall) {
  const known = new Map();
  let of = "", following = true, height = box.clientHeight;

  const toEnd = () => { box.scrollTop = box.scrollHeight; };
  box.addEventListener("scroll", () => {
    // A chat that has just become lower was not scrolled by anybody.
    if (box.clientHeight === height) following = box.scrollHeight - box.scrollTop - height < NEAR_END;
  });
  // What is below or above the chat opens and closes, windows turn, keyboards come up.
  new ResizeObserver(() => {
    height = box.clientHeight;
    if (following) toEnd();
  }).observe(box);

  /** Shows these lines; `whose` says which conversation they are of. */
  return function show(lines, whose, words) {
    const other = whose !== of;
    if (other) {
      // All of another conversation at once is no news.
      box.setAttribute("aria-busy", "true");
      box.replaceChildren();
      known.clear();
      of = whose;
      following = true;
    }
    const numbers = new Set(lines.map(line => line.number));
    for (const [number, entry] of known) {
      if (!numbers.has(number)) { entry.root.remove(); known.delete(number); }
    }
    let grown = false, day = "";
    for (const line of lines) {
      let entry = known.get(line.number);
      if (!entry) {
        entry = make(line, recall);
        known.set(line.number, entry);
        box.querySelector(".empty")?.remove();
        box.append(entry.root);
        grown = true;
        if (line.speaker === "customer") following = true;
      }
      const today = new Date(line.at_ms).toLocaleDateString(words.lang, { month: "long", day: "numeric", weekday: "short" });
      update(entry, line, today === day ? "" : today, words);
      day = today;
    }
    if (!lines.length) {
      const empty = box.querySelector(".empty") ?? Object.assign(document.createElement("p"), { className: "empty" });
      setText(empty, words.empty);
      if (!empty.parentNode) box.append(empty);
    }
    if (grown && following) toEnd();
    if (other) requestAnimationFrame(() => box.removeAttribute("aria-busy"));
  };
}

function make(line, recall) {
  const element = (tag, className, parent) => {
    const made = Object.assign(document.createElement(tag), { className });
    parent?.append(made);
    return made;
  };
  const root = element("div", "entry");
  const day = element("div", "day", root);
  const row = element("div", "line " + line.speaker, root);
  // Whoever recalled a line by the keyboard goes on from there.
  row.tabIndex = -1;
  const bubble = element("div", "bubble", row);
  if (line.speaker === "system") {
    // WeChat's own notes are Chinese on every page.
    bubble.lang = "zh-CN";
    return { root, day, row, bubble };
  }
  const meta = element("div", "meta", row);
  const who = element("span", "", meta), time = element("time", "", meta), gone = element("span", "", meta);
  const button = line.speaker === "customer" ? element("button", "", meta) : null;
  if (button) {
    button.type = "button";
    button.addEventListener("click", () => recall(line.msgid));
  }
  return { root, day, row, bubble, who, time, gone, button };
}

function update(entry, line, day, words) {
  const shown = JSON.stringify([words.lang, day, line.recalled, line.text]);
  if (entry.shown === shown) return;
  entry.shown = shown;
  setText(entry.day, day);
  entry.day.hidden = !day;
  setText(entry.bubble, line.text);
  entry.row.classList.toggle("recalled", line.recalled);
  if (!entry.time) return;
  const at = new Date(line.at_ms);
  setText(entry.who, words.from[line.speaker]);
  entry.who.hidden = !words.from[line.speaker];
  setText(entry.time, at.toLocaleTimeString(words.lang));
  entry.time.dateTime = at.toISOString();
  setText(entry.gone, line.recalled ? words.recalled : "");
  entry.gone.hidden = !line.recalled;
  if (!entry.button) return;
  setText(entry.button, words.recall);
  const label = fill(words.recallWhat, { text: [...line.text].slice(0, 20).join("") });
  entry.button.setAttribute("aria-label", label);
  if (line.recalled) {
    const had = document.activeElement === entry.button;
    entry.button.remove();
    entry.button = null;
    if (had) entry.row.focus({ preventScroll: true });
  }
}

/** Leaves a text alone that is right already: each change may be read out. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
