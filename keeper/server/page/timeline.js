// Pushes, the newest first: how each stands, why it was made, what it cost.

import { attribute, el, keyed, text } from "./dom.js";
import { clock, coins, count, shortened, words } from "./format.js";

const TONES = {
  plan: "flying", sent: "flying", replaced: "flying", retried: "warm",
  confirmed: "good", final: "good",
  lost_race: "idle", nothing_newer: "idle", superseded: "idle", cancelled: "idle",
  reverted: "bad", failed: "bad", dropped: "bad", orphaned: "warm", capped: "warm", unresolved: "warm",
};
const STATES = { plan: "planned", sent: "in flight", replaced: "replaced", retried: "sent again", orphaned: "taken back", capped: "at the fee cap", unseen: "end not seen" };
const NAMED = 4;

export class Timeline {
  #state;
  #list = document.querySelector("#timeline");

  constructor(state) {
    this.#state = state;
  }

  draw() {
    const pushes = [...this.#state.pushes.values()].sort((one, other) => other.began - one.began);
    document.querySelector("#no-pushes").hidden = pushes.length > 0;
    this.#list.hidden = pushes.length === 0;
    text(document.querySelector("#pushed"), pushes.length ? count(pushes.length, "push") : "");
    keyed(this.#list, pushes, (push) => push.key, make, (node, push) => this.#draw(node, push));
  }

  #draw(node, push) {
    const [dot, head, feeds, facts] = node.children;
    const [state, time, cost] = head.children;
    const tone = TONES[push.state] ?? "idle";
    attribute(dot, "data-tone", tone);
    attribute(state, "data-tone", tone);
    text(state, push.dry_run ? "dry run" : STATES[push.state] ?? words(push.state));
    text(time, clock(push.began));
    attribute(time, "datetime", new Date(push.began * 1000).toISOString());
    text(cost, push.cost ? coins(push.cost) : "");
    text(feeds, named(push.feeds));
    text(facts, this.#facts(push).join(" · "));
  }

  #facts(push) {
    return [
      this.#state.networks.size > 1 ? push.network : "",
      `#${push.number}`,
      push.tx_hash ? shortened(push.tx_hash) : "",
      push.block ? `block\u00a0${push.block}` : "",
      push.latency_ms ? `${Math.round(push.latency_ms)}\u00a0ms` : "",
      push.gas_used ? `${Number(push.gas_used).toLocaleString("en")}\u00a0gas` : "",
      push.replaced ? `replaced ${push.replaced === 1 ? "once" : `${push.replaced} times`}` : "",
      push.detail ?? push.error ?? "",
    ].filter(Boolean);
  }
}

function make() {
  return el(
    "li",
    {},
    el("i", { class: "dot", "aria-hidden": "true" }),
    el("p", { class: "head" }, el("span", { class: "chip" }), " ", el("time"), " ", el("span", { class: "cost" })),
    el("p", { class: "what" }),
    el("p", { class: "quiet facts" }),
  );
}

/** "ETH/USD deviation, BTC/USD joins cheaper and 3 more" */
function named(feeds) {
  const told = feeds.slice(0, NAMED).map((feed) => `${feed.alias} ${words(feed.reason)}`.trim());
  const rest = feeds.length - told.length;
  return told.join(", ") + (rest > 0 ? ` and ${rest} more` : "");
}
