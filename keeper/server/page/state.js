// What the page knows: /status first, then every frame of the stream.

const KEPT_POINTS = 60;
const POINT_EVERY_S = 1;
const KEPT_PUSHES = 100;
const SURELY_OVER_S = 3;

/** States of a push by the frame that tells them. `ended` frames carry an outcome. */
const PUSH_FRAMES = new Set(["plan", "sent", "replaced", "retried", "confirmed", "reverted", "ended", "final", "orphaned", "capped"]);
/** While one of these is the last word the push is on its way. */
const FLYING = new Set(["sent", "replaced", "retried", "orphaned", "capped"]);
/** After these /status is worth another look: they change what frames do not tell. */
const STIRRING = new Set(["source", "rpc", "leadership", "coordination", "control", "failing", "config", "budget", "journal", "confirmed", "reverted", "ended"]);

export class State {
  constructor() {
    this.status = null;
    this.networks = new Map();
    this.feeds = new Map(); // "network/id" -> {key, network, feed, points}
    this.pushes = new Map(); // "network/number" -> push, in order of their first frame
    this.changed = new Set(); // keys of feeds
    this.dirty = { feeds: false, pushes: false, parts: false };
    this.skew = 0;
  }

  /** Unix seconds by the keeper's clock. */
  now() {
    return Date.now() / 1000 + this.skew;
  }

  /** The whole state anew. */
  takeStatus(status) {
    this.status = status;
    this.skew = status.now - Date.now() / 1000;
    this.networks = new Map(status.networks.map((network) => [network.name, network]));
    const gone = new Set(this.feeds.keys());
    for (const network of status.networks) {
      for (const feed of network.feeds) {
        const key = `${network.name}/${feed.id}`;
        const row = this.feeds.get(key) ?? { key, network: network.name, feed, points: [], pointed: 0, carrier: null };
        row.feed = feed;
        this.feeds.set(key, row);
        this.#point(row);
        this.changed.add(key);
        gone.delete(key);
      }
    }
    for (const key of gone) this.feeds.delete(key);
    for (const push of this.pushes.values()) this.#forget(push);
    this.dirty = { feeds: true, pushes: true, parts: true };
  }

  /** One frame; tells whether /status should be asked anew soon. */
  takeFrame(frame) {
    const row = this.feeds.get(`${frame.network}/${frame.feed}`);
    const network = this.networks.get(frame.network);
    switch (frame.type) {
      case "price":
        if (row) this.#touch(row, { source: frame.price });
        this.#heard(frame);
        break;
      case "on_chain":
        if (row) this.#touch(row, { on_chain: frame.price });
        break;
      case "verdict":
        if (row) this.#touch(row, { verdict: frame.verdict, reason: frame.reason });
        break;
      case "rpc":
        this.#update(network?.endpoints.find((endpoint) => endpoint.name === frame.endpoint), { state: frame.state, detail: frame.detail });
        break;
      case "health":
        this.#update(this.status, { health: frame.status, problems: frame.problems });
        break;
      case "chain":
        this.#update(network, { block: frame.block, nonce: frame.nonce });
        break;
      case "balance":
        this.#update(network, { balance: frame.balance });
        break;
      default:
        if (PUSH_FRAMES.has(frame.type)) this.#push(frame);
    }
    return STIRRING.has(frame.type);
  }

  /** How far the source is from the chain, in percent; null where that is not known. */
  static deviation(feed) {
    if (!feed.source || !feed.on_chain) return null;
    const source = Number(feed.source.value), chain = Number(feed.on_chain.value);
    return chain > 0 && source > 0 ? (Math.abs(source - chain) * 100) / chain : null;
  }

  #touch(row, changes) {
    row.feed = { ...row.feed, ...changes };
    this.changed.add(row.key);
    this.dirty.feeds = true;
    if (changes.source) this.#point(row);
  }

  #point(row) {
    const at = Date.now() / 1000;
    if (!row.feed.source || at - row.pointed < POINT_EVERY_S) return;
    row.pointed = at;
    row.points.push(Number(row.feed.source.value));
    if (row.points.length > KEPT_POINTS) row.points.shift();
  }

  /** A push that is not on its way any more, and whose end nobody told: the page was cut off, or another keeper took over. */
  #forget(push) {
    if (!FLYING.has(push.state) || this.networks.get(push.network)?.in_flight || this.status.now - push.at < SURELY_OVER_S) return;
    push.state = "unseen";
    for (const { feed } of push.feeds) {
      const row = this.feeds.get(`${push.network}/${feed}`);
      if (row?.carrier === push) row.carrier = null;
    }
  }

  #flying(network) {
    return [...this.pushes.values()].filter((push) => push.network === network && FLYING.has(push.state)).length;
  }

  #heard({ source: name, at }) {
    const source = this.status?.sources.find((each) => each.name === name);
    if (source) source.last_event_at = at;
  }

  #update(part, changes) {
    if (!part) return;
    for (const [key, value] of Object.entries(changes)) if (value !== undefined && value !== null) part[key] = value;
    this.dirty.parts = true;
  }

  #push(frame) {
    // Numbers of pushes begin anew with each process.
    const [boot, order] = ordered(frame.id), key = `${frame.network}/${boot}/${frame.push}`;
    const push = this.pushes.get(key) ?? { key, network: frame.network, number: frame.push, began: frame.at, feeds: [], replaced: 0 };
    if (order <= push.order) return;
    Object.assign(push, { order, at: frame.at, began: Math.min(push.began, frame.at) });
    this.pushes.set(key, push);
    push.state = frame.outcome ?? frame.type;
    if (frame.feeds?.length) push.feeds = merged(push.feeds, frame.feeds);
    if (frame.type === "replaced") push.replaced += 1;
    for (const name of ["tx_hash", "cost", "latency_ms", "block", "gas_used", "endpoint", "event_to_sent_ms", "detail", "error", "dry_run"]) {
      if (frame[name] !== undefined && frame[name] !== null) push[name] = frame[name];
    }
    for (const { feed } of push.feeds) {
      const row = this.feeds.get(`${frame.network}/${feed}`);
      if (!row) continue;
      row.carrier = FLYING.has(push.state) ? push : row.carrier === push ? null : row.carrier;
      const isNews = frame.outcome && !(row.feed.last_push?.at > frame.at);
      this.#touch(row, isNews ? { last_push: { at: frame.at, outcome: frame.outcome } } : {});
    }
    this.#update(this.networks.get(frame.network), { in_flight: this.#flying(frame.network) });
    if (this.pushes.size > KEPT_PUSHES) {
      const [oldest] = [...this.pushes.values()].sort((one, other) => one.began - other.began);
      this.pushes.delete(oldest.key);
    }
    this.dirty.pushes = true;
  }
}

/** "boot-17" -> ["boot", 17]: frames of one process are told in this order. */
function ordered(id) {
  const at = id.lastIndexOf("-");
  return [id.slice(0, at), Number(id.slice(at + 1))];
}

/** The feeds of a later frame, with the reasons that an earlier one told. */
function merged(before, after) {
  const reasons = new Map(before.map((each) => [each.feed, each.reason]));
  return after.map((each) => ({ ...each, reason: each.reason ?? reasons.get(each.feed) }));
}
