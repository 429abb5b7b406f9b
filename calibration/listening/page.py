"""The listening test's page: one document with its own style and script. The server replaces NONCE and DATA."""

from __future__ import annotations

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>Listening</title>
<style nonce="NONCE">
:root { color-scheme: light dark; --ink: #1f2d3d; --quiet: #66727f; --paper: #fbfaf7; --card: #fff; --line: #d9d5cb;
  --mark: #2f6f8f; --on: #fff }
@media (prefers-color-scheme: dark) { :root { --ink: #e8e6e0; --quiet: #9aa5b0; --paper: #14181d; --card: #1d232a;
  --line: #323b45; --mark: #7ab8d6; --on: #10161b } }
* { box-sizing: border-box }
body { margin: 0; background: var(--paper); color: var(--ink); font: 17px/1.5 system-ui, sans-serif }
main { max-width: 34rem; margin: 0 auto; padding: 2.5rem 1.25rem 4rem }
h1 { font-size: 1.5rem; line-height: 1.25; margin: .25rem 0 .5rem }
p { color: var(--quiet); margin: 0 0 1rem }
progress { width: 100%; height: .4rem; accent-color: var(--mark) }
ol { list-style: none; margin: 1rem 0; padding: 0 }
li { display: flex; gap: .5rem; align-items: center; background: var(--card); border: 1px solid var(--line);
  border-radius: .6rem; padding: .5rem; margin-bottom: .5rem }
li.chosen { border-color: var(--mark); box-shadow: 0 0 0 1px var(--mark) }
.rank { width: 2rem; text-align: center; color: var(--quiet); font-variant-numeric: tabular-nums }
.play { flex: 1; text-align: left }
button { font: inherit; color: inherit; background: none; border: 1px solid var(--line); border-radius: .4rem;
  padding: .5rem .8rem; cursor: pointer }
button:focus-visible { outline: 3px solid var(--mark); outline-offset: 2px }
button:disabled { opacity: .4; cursor: default }
.playing { background: var(--mark); color: var(--on) }
#next { background: var(--mark); color: var(--on); border-color: var(--mark); width: 100%; padding: .8rem }
kbd { font: .85em ui-monospace, monospace; border: 1px solid var(--line); border-radius: .3rem; padding: 0 .3rem }
</style>
<main>
<progress id="progress" aria-label="trials done"></progress>
<p id="count"></p>
<h1 id="question"></h1>
<p id="how">Play each sound, then bring the best to the top. Keys: <kbd>1</kbd> <kbd>2</kbd> &hellip; play;
<kbd>&uarr;</kbd> <kbd>&darr;</kbd> move the one played last; <kbd>Enter</kbd> goes on.</p>
<ol id="sounds"></ol>
<button id="next" disabled>Next</button>
<p id="trouble" role="alert"></p>
</main>
<script nonce="NONCE">
"use strict";
const data = DATA;
const at = id => document.getElementById(id);
const player = new Audio();
let trial = data.ranked, order = [], played = new Set(), chosen = null, blobs = new Map(), sending = false;

function trouble(text) { at("trouble").textContent = text; }

async function begin() {
  player.pause();
  for (const url of blobs.values()) URL.revokeObjectURL(url);
  blobs = new Map(); played = new Set(); chosen = null; trouble("");
  at("progress").max = data.trials.length;
  at("progress").value = trial;
  if (trial === data.trials.length) {
    at("question").textContent = "Thank you. All that you said is saved.";
    at("count").textContent = "You may close this page.";
    for (const id of ["how", "sounds", "next"]) at(id).remove();
    return;
  }
  at("count").textContent = `${trial + 1} of ${data.trials.length}`;
  order = [...data.trials[trial]];
  draw();
  try {
    await Promise.all(data.trials[trial].map(async id => {
      const answer = await fetch("/sound/" + id);
      if (!answer.ok) throw new Error(answer.status);
      blobs.set(id, URL.createObjectURL(await answer.blob()));
    }));
  } catch { trouble("The sounds cannot be fetched. Is the test still running? Reload this page to go on."); }
  draw();
}

function draw() {
  if (trial === data.trials.length) return;
  const focused = document.activeElement?.dataset?.key;
  at("sounds").replaceChildren(...order.map((id, rank) => {
    const row = document.createElement("li"), number = data.trials[trial].indexOf(id) + 1;
    const add = (text, key, label, act, off) => {
      const button = document.createElement("button");
      button.textContent = text; button.dataset.key = id + key; button.disabled = off;
      button.setAttribute("aria-label", label); button.onclick = act; row.append(button);
      return button;
    };
    const place = document.createElement("span");
    place.className = "rank"; place.textContent = rank + 1; row.append(place);
    const play = add(`Sound ${number}${played.has(id) ? " \\u2713" : ""}`, "play", `play sound ${number}`,
      () => playSound(id), !blobs.has(id));
    play.className = id === chosen && !player.paused ? "play playing" : "play";
    add("\\u2191", "up", `sound ${number} is better`, () => move(id, -1), rank === 0);
    add("\\u2193", "down", `sound ${number} is worse`, () => move(id, 1), rank === order.length - 1);
    if (id === chosen) row.className = "chosen";
    return row;
  }));
  if (focused) [...document.querySelectorAll("button")].find(b => b.dataset.key === focused)?.focus();
  at("next").disabled = sending || played.size < order.length;
  at("next").textContent = played.size < order.length ? "Play every sound first" : "Next";
}

function playSound(id) {
  chosen = id;
  player.src = blobs.get(id);
  player.play().then(() => played.add(id), () => trouble("This browser cannot play the sound.")).finally(draw);
}

function move(id, by) {
  const from = order.indexOf(id), to = from + by;
  if (to < 0 || to >= order.length) return;
  order.splice(to, 0, ...order.splice(from, 1));
  chosen = id;
  draw();
}

async function next() {
  if (at("next").disabled) return;
  sending = true; draw();
  try {
    const answer = await fetch("/rank/" + data.listener, { method: "POST",
      headers: { "Content-Type": "application/json" }, body: JSON.stringify({ trial, best_first: order }) });
    if (!answer.ok) throw new Error(answer.status);
    trial += 1; sending = false;
    await begin();
  } catch { sending = false; draw(); trouble("It could not be saved. Is the test still running? Try again."); }
}

player.onended = player.onpause = draw;
at("question").textContent = data.question;
at("next").onclick = next;
document.addEventListener("keydown", event => {
  if (event.ctrlKey || event.altKey || event.metaKey || trial === data.trials.length) return;
  const id = data.trials[trial][Number(event.key) - 1];
  if (id && blobs.has(id)) playSound(id);
  else if (event.key === "ArrowUp" && chosen) { event.preventDefault(); move(chosen, -1); }
  else if (event.key === "ArrowDown" && chosen) { event.preventDefault(); move(chosen, 1); }
  else if (event.key === "Enter" && document.activeElement.tagName !== "BUTTON") next();
});
begin();
</script>
</html>
"""
