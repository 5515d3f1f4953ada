// The table of feeds: only rows on the screen are drawn, only cells that have changed are written.

import { attribute, drawSparkline, el, part, sparkline, text } from "./dom.js";
import { ago, count, duration, percent, price, threshold, words } from "./format.js";
import { State } from "./state.js";

const VERDICTS = { due: 0, early: 1, hold: 2 };
const WELL = new Set(["ok", "closed"]);
const SORT_EVERY_MS = 2_000;

export class FeedsTable {
  #state;
  #body = document.querySelector("#feeds tbody");
  #rows = new Map(); // key -> {node, cells, visible}
  #order = { key: "alias", down: false };
  #filter = { text: "", show: "all", network: "" };
  #sorted = 0;
  #seen;

  constructor(state, explain) {
    this.#state = state;
    this.#seen = new IntersectionObserver((entries) => this.#scrolled(entries), { rootMargin: "200px" });
    this.#body.addEventListener("click", (event) => {
      const row = event.target.closest("tr");
      if (row) explain(row.dataset.key);
    });
    for (const head of document.querySelectorAll("#feeds th[data-key]")) {
      head.querySelector("button").addEventListener("click", () => this.#sortBy(head));
    }
    const listen = (id, name) =>
      document.querySelector(id).addEventListener("input", (event) => {
        this.#filter[name] = event.target.value;
        this.#arrange();
      });
    listen("#find", "text");
    listen("#show", "show");
    listen("#network", "network");
  }

  /** What has changed since the last time, and once a second also what time alone changes. */
  draw({ ages }) {
    const changed = this.#state.changed;
    let fresh = false;
    for (const key of changed) {
      const row = this.#state.feeds.get(key);
      if (!row) continue;
      if (!this.#rows.has(key)) fresh = this.#add(row);
      const shown = this.#rows.get(key);
      if (shown.visible) this.#drawRow(shown, row);
      else shown.stale = true;
    }
    changed.clear();
    for (const [key, shown] of this.#rows) {
      if (!this.#state.feeds.has(key)) this.#remove(key, shown);
      else if (ages && shown.visible) this.#drawAges(shown, this.#state.feeds.get(key));
    }
    const dynamic = this.#order.key !== "alias" || this.#filter.show !== "all";
    if (fresh || (dynamic && performance.now() - this.#sorted > SORT_EVERY_MS && !this.#isInUse())) this.#arrange();
  }

  #isInUse() {
    return this.#body.contains(document.activeElement) || this.#body.matches(":hover");
  }

  #add(row) {
    const cell = (label, name, ...children) => el("td", { role: "cell", "data-label": label, class: name }, ...children);
    const named = el("button", { type: "button", class: "name", "aria-haspopup": "dialog" });
    const cells = {
      name: named,
      state: el("span", { class: "chip", "data-tone": "bad", hidden: "" }),
      network: el("span", { class: "quiet" }),
      source: cell("Source", "number"),
      chain: cell("On chain", "number"),
      bar: el("span", { class: "meter", "aria-hidden": "true" }, el("i")),
      deviation: el("span", { class: "figure" }),
      limit: el("span", { class: "quiet" }),
      age: cell("Age", "number"),
      verdict: el("span", { class: "chip" }),
      reason: el("span", { class: "quiet" }),
      pushed: el("span"),
      outcome: el("span", { class: "quiet" }),
      spark: sparkline(),
    };
    const node = el(
      "tr",
      { role: "row" },
      el("th", { role: "rowheader", scope: "row", class: "feed" }, named, " ", cells.state, " ", cells.network),
      cells.source,
      cells.chain,
      cell("Deviation", "deviation", cells.bar, cells.deviation, " ", cells.limit),
      cells.age,
      cell("Verdict", "verdict", cells.verdict, " ", cells.reason),
      cell("Last push", "pushed", cells.pushed, " ", cells.outcome),
      cell("Trend", "trend", cells.spark),
    );
    node.dataset.key = row.key;
    const shown = { node, cells, visible: true, stale: false };
    this.#rows.set(row.key, shown);
    this.#seen.observe(node);
    return true;
  }

  #remove(key, shown) {
    this.#seen.unobserve(shown.node);
    shown.node.remove();
    this.#rows.delete(key);
  }

  #scrolled(entries) {
    for (const entry of entries) {
      const shown = this.#rows.get(entry.target.dataset.key);
      if (!shown) continue;
      shown.visible = entry.isIntersecting;
      const row = this.#state.feeds.get(entry.target.dataset.key);
      if (shown.visible && row) {
        if (shown.stale) this.#drawRow(shown, row);
        this.#drawAges(shown, row);
      }
    }
  }

  #drawRow(shown, { feed, network, points, carrier }) {
    const { cells } = shown;
    shown.stale = false;
    text(cells.name, feed.alias);
    text(cells.network, this.#state.networks.size > 1 ? network : "");
    cells.state.hidden = feed.state === "ok";
    text(cells.state, words(feed.state));
    attribute(cells.state, "data-tone", WELL.has(feed.state) ? "idle" : "bad");
    text(cells.source, price(feed.source?.value));
    text(cells.chain, price(feed.on_chain?.value));
    const deviation = State.deviation(feed), limit = feed.deviation_threshold_percent;
    text(cells.deviation, percent(deviation));
    text(cells.limit, limit === null || limit === undefined ? "" : `of ${threshold(limit)}`);
    const share = deviation === null || !Number(limit) ? 0 : deviation / Number(limit);
    part(cells.bar, share);
    attribute(cells.bar, "data-tone", share >= 1 ? "due" : share >= 0.8 ? "warm" : "calm");
    // What a push carries is held because it is not newer than that: the push is what there is to tell.
    const flies = carrier !== null && feed.reason === "not_newer";
    text(cells.verdict, flies ? "in flight" : feed.verdict);
    attribute(cells.verdict, "data-tone", flies ? "flying" : feed.verdict);
    text(cells.reason, flies ? `push #${carrier.number}` : words(feed.reason));
    drawSparkline(cells.spark, points);
    this.#drawAges(shown, { feed });
  }

  #drawAges({ cells }, { feed }) {
    const now = this.#state.now(), age = feed.on_chain ? now - feed.on_chain.publish_time : null;
    const most = feed.heartbeat_s;
    text(cells.age, age === null ? "–" : duration(age));
    attribute(cells.age, "data-tone", age !== null && most && age >= most ? "bad" : age !== null && most && age >= 0.8 * most ? "warm" : null);
    text(cells.pushed, feed.last_push ? ago(now - feed.last_push.at) : "never");
    text(cells.outcome, words(feed.last_push?.outcome));
  }

  #sortBy(head) {
    const same = this.#order.key === head.dataset.key;
    this.#order = { key: head.dataset.key, down: same && !this.#order.down };
    for (const other of document.querySelectorAll("#feeds th[data-key]")) {
      attribute(other, "aria-sort", other === head ? (this.#order.down ? "descending" : "ascending") : null);
    }
    this.#arrange();
  }

  /** The rows that are wanted, in their order; none is moved that stands where it should. */
  #arrange() {
    this.#sorted = performance.now();
    const wanted = [...this.#state.feeds.values()].filter((row) => this.#rows.has(row.key) && this.#fits(row));
    const rank = RANKS[this.#order.key], way = this.#order.down ? -1 : 1;
    const keyed = wanted.map((row) => [rank(row.feed), row]);
    keyed.sort(([one, first], [two, second]) => way * compare(one, two) || compare(first.feed.alias, second.feed.alias));
    let place = this.#body.firstElementChild;
    for (const [, row] of keyed) {
      const { node } = this.#rows.get(row.key);
      if (node === place) place = place.nextElementSibling;
      else this.#body.insertBefore(node, place);
    }
    while (place) {
      const next = place.nextElementSibling;
      place.remove();
      place = next;
    }
    const all = this.#state.feeds.size;
    text(document.querySelector("#shown"), wanted.length === all ? count(all, "feed") : `${wanted.length} of ${count(all, "feed")}`);
    document.querySelector("#none").hidden = wanted.length > 0;
  }

  #fits({ feed, network }) {
    const { text: sought, show, network: only } = this.#filter;
    const words = sought.trim().toLowerCase();
    if (words && !feed.alias.toLowerCase().includes(words) && !feed.id.includes(words.replace(/^0x/, ""))) return false;
    if (only && network !== only) return false;
    if (show === "due") return feed.verdict === "due";
    if (show === "trouble") return !WELL.has(feed.state) || (feed.last_push?.outcome ?? "confirmed") !== "confirmed";
    return true;
  }
}

const RANKS = {
  alias: (feed) => feed.alias,
  source: (feed) => Number(feed.source?.value ?? -1),
  chain: (feed) => Number(feed.on_chain?.value ?? -1),
  deviation: (feed) => -(State.deviation(feed) ?? -1),
  age: (feed) => feed.on_chain?.publish_time ?? 0,
  verdict: (feed) => VERDICTS[feed.verdict] ?? 3,
  pushed: (feed) => -(feed.last_push?.at ?? 0),
};

function compare(one, two) {
  return typeof one === "string" ? one.localeCompare(two, "en", { numeric: true }) : one - two;
}
