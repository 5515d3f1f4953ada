// The live page: state in, pixels out, once a frame at most.

import { Connection } from "./connection.js";
import { Detail } from "./detail.js";
import { attribute, text } from "./dom.js";
import { FeedsTable } from "./feeds-table.js";
import { clock } from "./format.js";
import { Panels } from "./panels.js";
import { State } from "./state.js";
import { startTheme } from "./theme.js";
import { Timeline } from "./timeline.js";

const DRAW_EVERY_MS = 100;
const TICK_MS = 1_000;
const TONES = { live: "good", polling: "warm", connecting: "idle", reconnecting: "warm", stale: "bad" };

const state = new State();
const detail = new Detail(state);
const table = new FeedsTable(state, (key) => detail.open(key));
const timeline = new Timeline(state);
const panels = new Panels(state);
let drawn = 0, ticked = 0;

function draw(now) {
  requestAnimationFrame(draw);
  const tick = now - ticked >= TICK_MS;
  if (now - drawn < DRAW_EVERY_MS || !(tick || state.dirty.feeds || state.dirty.pushes || state.dirty.parts)) return;
  drawn = now;
  if (tick) ticked = now;
  const { feeds, pushes, parts } = state.dirty;
  state.dirty = { feeds: false, pushes: false, parts: false };
  if (feeds || tick) table.draw({ ages: tick });
  if (pushes) timeline.draw();
  if (parts || tick) panels.draw();
}

function tell(kind, heard) {
  const pill = document.querySelector("#connection");
  text(pill, kind === "stale" ? `stale since ${clock(heard / 1000)}` : kind);
  attribute(pill, "data-tone", TONES[kind]);
  text(document.querySelector("#no-pushes"), kind === "polling" ? "Without a stream of events single pushes are not told." : "None so far.");
  attribute(document.body, "data-stale", kind === "stale" ? "yes" : null);
}

startTheme(document.querySelector("#theme"));
new Connection(state, tell).start();
requestAnimationFrame(draw);
