// Networks with their wallets, sources, RPC endpoints, who sends, and what is wrong.

import { attribute, el, keyed, part, text } from "./dom.js";
import { ago, coins, count, duration, shortened, words } from "./format.js";

const SOURCE_TONES = { streaming: "good", polling: "warm", connecting: "idle", standby: "idle", rate_limited: "warm" };
const ENDPOINT_TONES = { healthy: "good", half_open: "warm", lagging: "warm", throttled: "warm" };
const find = (selector) => document.querySelector(selector);

export class Panels {
  #state;

  constructor(state) {
    this.#state = state;
  }

  draw() {
    const { status, networks } = this.#state;
    if (!status) return;
    const all = [...networks.values()];
    keyed(find("#networks"), all, (network) => network.name, makeNetwork, (node, network) => this.#network(node, network));
    this.#sources(status.sources, all);
    this.#endpoints(all);
    this.#senders(all);
    this.#problems(status);
    this.#choices(all);
  }

  #network(node, network) {
    const { spending, leadership } = network;
    const fact = (name, value) => text(node.querySelector(`[data-fact="${name}"]`), value);
    text(node.querySelector("h2"), network.name);
    const role = roleOf(network);
    const chip = node.querySelector(".chip");
    text(chip, role.text);
    attribute(chip, "data-tone", role.tone);
    text(node.querySelector(".where"), network.chain_id ? `chain ${network.chain_id}` : "chain not known yet");
    fact("balance", coins(network.balance));
    fact("account", `coins of ${shortened(network.account)}`);
    fact("spent", coins(spending.today));
    fact("budget", spending.daily_budget ? `of ${coins(spending.daily_budget)} coins a day` : "coins, no daily budget");
    const meter = node.querySelector(".meter");
    meter.hidden = !spending.daily_budget;
    const share = spending.daily_budget ? Number(spending.today.native) / Number(spending.daily_budget.native) : 0;
    part(meter, share);
    attribute(meter, "data-tone", share >= 1 ? "due" : share >= 0.8 ? "warm" : "calm");
    fact("runway", spending.runway_hours === null ? "not known yet" : duration(spending.runway_hours * 3600));
    fact("policy", network.in_policy.last_hour_percent === null ? "–" : `${Number(network.in_policy.last_hour_percent).toFixed(2)}%`);
    fact("pushes", `${network.pushes.confirmed} confirmed`);
    const failed = network.pushes.reverted + network.pushes.failed + network.pushes.dropped;
    fact("failed", failed ? `${failed} failed` : "none failed");
    fact("block", network.block === null ? "–" : network.block.toLocaleString("en"));
    fact("flight", network.in_flight ? `${count(network.in_flight, "push")} in flight` : "nothing in flight");
    fact("fee", spending.fee_cap_gwei === null ? "–" : `${Number(Number(spending.fee_cap_gwei).toPrecision(3))} gwei`);
    attribute(node, "data-held", leadership.held ? "yes" : "no");
  }

  #sources(sources, networks) {
    const trust = (name) => networks.flatMap((network) =>
      network.sources.filter((row) => row.source === name && row.state !== "trusted").map((row) => `${words(row.state)} by ${network.name}`));
    keyed(find("#sources tbody"), sources, (source) => source.name, () => makeRow("number", "number"), (node, source) => {
      const age = source.last_event_at === null ? null : this.#state.now() - source.last_event_at;
      const detail = [...trust(source.name), source.detail].filter(Boolean).join("; ");
      fill(node, source.name, words(source.state), SOURCE_TONES[source.state] ?? "bad", detail, [ago(age), source.events.toLocaleString("en")]);
    });
  }

  #endpoints(networks) {
    const rows = networks.flatMap((network) => network.endpoints.map((endpoint) => ({ network: network.name, endpoint })));
    const name = (row) => (networks.length > 1 ? `${row.network} ${row.endpoint.name}` : row.endpoint.name);
    keyed(find("#endpoints tbody"), rows, (row) => `${row.network}/${row.endpoint.name}`, () => makeRow("number", "number"), (node, row) => {
      const { endpoint } = row;
      const latency = endpoint.latency_ms === null ? "–" : `${endpoint.latency_ms.toFixed(endpoint.latency_ms < 10 ? 1 : 0)} ms`;
      const behind = endpoint.lag_blocks ? count(endpoint.lag_blocks, "block") : "–";
      fill(node, name(row), words(endpoint.state), ENDPOINT_TONES[endpoint.state] ?? "bad", endpoint.detail, [latency, behind]);
    });
  }

  #senders(networks) {
    keyed(find("#senders tbody"), networks, (network) => network.name, () => makeRow("", "number"), (node, network) => {
      const { leadership } = network, role = roleOf(network);
      const holder = leadership.holder || (leadership.held ? "this keeper, alone" : "nobody that is known");
      const since = leadership.since === null ? "–" : ago(this.#state.now() - leadership.since);
      fill(node, network.name, role.text, role.tone, leadership.trouble, [leadership.epoch ? `${holder} · term ${leadership.epoch}` : holder, since]);
    });
  }

  #problems(status) {
    const found = Object.entries(status.problems);
    if (status.config.trouble) found.push(["settings", status.config.trouble]);
    find("#problems").hidden = found.length === 0;
    keyed(find("#problems ul"), found, ([name]) => name, () => el("li", {}, el("strong"), " ", el("span")), (node, [name, why]) => {
      text(node.firstChild, name);
      text(node.lastChild, why);
    });
    const health = find("#health");
    text(health, status.stopping ? "shutting down" : status.health);
    attribute(health, "data-tone", { healthy: "good", degraded: "warm", unhealthy: "bad" }[status.health] ?? "idle");
    text(find("#about"), `${status.version} · up ${duration(this.#state.now() - status.started_at)}`);
  }

  #choices(networks) {
    find("#network-field").hidden = networks.length < 2;
    const names = [{ name: "" }, ...networks];
    keyed(find("#network"), names, ({ name }) => name, ({ name }) => el("option", { value: name }), (node, { name }) => text(node, name || "All networks"));
  }
}

function roleOf(network) {
  if (!network.ready) return { text: "not ready", tone: "bad" };
  if (network.dry_run) return { text: "dry run", tone: "idle" };
  if (network.paused) return { text: "paused", tone: "warm" };
  if (network.leadership.trouble) return { text: "unsure who sends", tone: "bad" };
  if (!network.leadership.held) return { text: "stands by", tone: "idle" };
  if (network.spending.mode !== "normal") return { text: words(network.spending.mode), tone: "warm" };
  return { text: "sends", tone: "good" };
}

function makeNetwork() {
  const fact = (label, name, ...more) =>
    el("div", {}, el("dt", {}, label), el("dd", {}, el("span", { "data-fact": name }), ...more));
  const under = (name) => el("small", { "data-fact": name });
  return el(
    "article",
    { class: "panel network" },
    el("div", { class: "bar" }, el("h2"), el("span", { class: "chip" }), el("p", { class: "quiet where" })),
    el("dl", {}, fact("Wallet", "balance", under("account")), fact("Spent today", "spent", under("budget"), el("i", { class: "meter", "aria-hidden": "true" }, el("i"))),
      fact("Runway", "runway"), fact("In policy, last hour", "policy"), fact("Pushes", "pushes", under("failed")),
      fact("Block", "block", under("flight")), fact("Most for gas", "fee")),
  );
}

function makeRow(...classes) {
  const state = el("td", {}, el("span", { class: "chip" }), el("small"));
  return el("tr", {}, el("th", { scope: "row" }), state, ...classes.map((name) => el("td", { class: name })));
}

function fill(node, name, state, tone, detail, rest) {
  const [head, second, ...others] = node.children;
  text(head, name);
  text(second.firstChild, state);
  attribute(second.firstChild, "data-tone", tone);
  text(second.lastChild, detail);
  others.forEach((cell, at) => text(cell, rest[at]));
}
