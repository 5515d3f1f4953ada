// Why one feed is due or not: /v1/feeds, asked again while it is looked at.

import { attribute, drawSparkline, el, sparkline, text } from "./dom.js";
import { ago, clock, duration, price, words } from "./format.js";

const AGAIN_MS = 1_000;

export class Detail {
  #state;
  #dialog = document.querySelector("#detail");
  #body = document.querySelector("#detail-body");
  #opening = 0;
  #timer = null;
  #spark = sparkline();
  #drawn = "";

  constructor(state) {
    this.#state = state;
    document.querySelector("#close").addEventListener("click", () => this.#dialog.close());
    this.#dialog.addEventListener("click", (event) => event.target === this.#dialog && this.#dialog.close());
    this.#dialog.addEventListener("close", () => {
      this.#opening += 1;
      clearTimeout(this.#timer);
    });
  }

  open(key) {
    const row = this.#state.feeds.get(key);
    if (!row) return;
    const opening = ++this.#opening;
    this.#drawn = "";
    text(document.querySelector("#detail-title"), row.feed.alias);
    this.#body.replaceChildren(el("p", { class: "quiet" }, "Asking the keeper …"));
    this.#dialog.showModal();
    this.#ask(row, opening);
  }

  /** Again and again, until the dialog is closed or shows something else. */
  async #ask(row, opening) {
    try {
      const answer = await fetch(`/v1/feeds/${encodeURIComponent(row.network)}/${row.feed.id}`, { signal: AbortSignal.timeout(5_000) });
      const told = await answer.json();
      if (this.#opening !== opening) return;
      if (answer.ok) this.#draw(told, row);
      else this.#body.replaceChildren(el("p", { class: "notice" }, told.error));
    } catch {
      if (this.#opening !== opening) return;
      this.#drawn = "";
      this.#body.replaceChildren(el("p", { class: "notice" }, "The keeper does not answer. Asking again …"));
    }
    this.#timer = setTimeout(() => this.#ask(row, opening), AGAIN_MS);
  }

  #draw(told, row) {
    drawSparkline(this.#spark, row.points);
    // Built anew only where rows come or go, so that a reader keeps its place.
    const shape = JSON.stringify([told.rules.length, told.guards.length, told.obstacles]);
    if (shape !== this.#drawn) {
      this.#drawn = shape;
      this.#body.replaceChildren(...this.#parts(told));
    }
    this.#fill(told);
  }

  #parts(told) {
    const rows = (list) => list.map(() => el("tr", {}, el("th", { scope: "row" }), ...Array.from({ length: 3 }, () => el("td"))));
    const table = (name, caption, heads, list) =>
      el("table", { class: `rows ${name}` }, el("caption", {}, caption), el("thead", {}, el("tr", {}, ...heads.map((head) => el("th", { scope: "col" }, head)))),
        el("tbody", {}, ...rows(list)));
    const fact = (label, name) => el("div", {}, el("dt", {}, label), el("dd", { "data-fact": name }));
    return [
      el("p", { class: "sentence" }, el("span", { class: "chip" }), " ", el("span")),
      el("ul", { class: "obstacles" }, ...told.obstacles.map((each) => el("li", {}, el("strong", {}, words(each.what)), " ", each.why))),
      this.#spark,
      el("dl", {}, fact("Source", "source"), fact("On chain", "chain"), fact("In flight", "flight"), fact("Next heartbeat", "heartbeat"),
        fact("Last push", "pushed"), fact("Out of policy", "out"), fact("Written by others", "rivals"), fact("At the sources", "state")),
      table("rules", "Rules: any one of them makes the feed due", ["Rule", "Now", "Due from", "Covered"], told.rules),
      table("guards", "Guards: any one of them holds the feed back", ["Guard", "Now", "Allowed", "Holds back"], told.guards),
      el("p", { class: "quiet joining" }),
      el("p", { class: "quiet hex" }),
    ];
  }

  #fill(told) {
    const find = (selector) => this.#body.querySelector(selector);
    const fact = (name, value) => text(find(`[data-fact="${name}"]`), value);
    const chip = find(".sentence .chip");
    text(chip, told.verdict);
    attribute(chip, "data-tone", told.verdict);
    text(find(".sentence").lastChild, told.text.replace(/^\w+: /, ""));
    const whole = (view) => (view ? `${price(view.value)} ± ${price(Number(view.conf) * 10 ** view.expo, view.value)}, ${duration(view.age_s)} old` : "–");
    fact("source", whole(told.source));
    fact("chain", whole(told.on_chain));
    fact("flight", told.in_flight ? whole(told.in_flight) : "nothing");
    fact("heartbeat", told.next_heartbeat_at === null ? "none" : told.next_heartbeat_in_s <= 0 ? "due now" : `in ${duration(told.next_heartbeat_in_s)}, at ${clock(told.next_heartbeat_at)}`);
    fact("pushed", told.last_push ? `${ago(told.now - told.last_push.at)}, ${words(told.last_push.outcome)}` : "never");
    fact("out", `${duration(told.out_of_policy_s)} since the start`);
    fact("rivals", `${told.rival_writes}×`);
    fact("state", words(told.state));
    told.rules.forEach((rule, at) => line(find(".rules tbody").children[at], [RULES[rule.reason] ?? words(rule.reason), ""], rule, rule.threshold, metText(rule), rule.met && rule.in_force));
    told.guards.forEach((guard, at) => line(find(".guards tbody").children[at], GUARDS[guard.reason] ?? [words(guard.reason), ""], guard, guard.limit, guard.holds_back ? "yes" : "no", guard.holds_back));
    const progress = told.joining.progress_percent === null ? "" : ` It has gone ${Math.floor(Number(told.joining.progress_percent))}% of the way to its next push.`;
    text(find(".joining"), `Joins pushes of other feeds: ${JOINS[told.joining.mode]}.${progress}`);
    text(find(".hex"), `${told.network} · ${told.id}`);
  }
}

const GUARDS = {
  no_source_price: ["no source price", ""],
  not_newer: ["not newer than on chain", "at least "],
  invalid_price: ["invalid price", ""],
  from_the_future: ["from the future", "at most "],
  source_stale: ["source price too old", "at most "],
  confidence_too_wide: ["confidence too wide", "below "],
};
const RULES = { deviation: "deviation", stale: "age on chain", time_difference: "source is newer by", confidence: "confidence" };
const JOINS = { never: "never", always: "always", cheaper: "when that is cheaper than a push of its own", rules: "by rules of its own" };

function metText(rule) {
  const share = rule.met_percent === null ? "" : `${rule.met_percent}%`;
  return rule.in_force ? share : `${share} (withheld)`.trim();
}

function line(row, [name, bound], { value, unit }, limit, outcome, strong) {
  const [head, now, most, last] = row.children;
  const show = (number) => (number === null ? "–" : unit === "percent" ? `${Number(number)}%` : `${number}\u00a0s`);
  text(head, name);
  text(now, show(value));
  text(most, limit === null ? "–" : bound + show(limit));
  text(last, outcome);
  attribute(row, "data-strong", strong ? "yes" : null);
}
