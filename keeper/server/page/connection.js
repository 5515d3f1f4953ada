// The way to the keeper: its stream of events, and /status, which is asked where there is no stream.

const STREAM = "/v1/sse/events";
const TYPES = ["hello", "price", "verdict", "on_chain", "plan", "sent", "replaced", "retried", "confirmed", "reverted", "ended",
  "final", "orphaned", "capped", "held", "failing", "source", "rpc", "chain", "balance", "budget", "leadership", "coordination",
  "control", "journal", "config", "health", "dropped"];
const PAST = `${STREAM}?events=push&last=300`;
const PAST_MS = 3_000;
const POLL_MS = 2_000;
const REFRESH_MS = 15_000;
const SOON_MS = 250;
const QUIET_MS = 10_000;
const DEAD_MS = 75_000; // health is told every minute
const STALE_MS = 5_000;
const OPEN_AGAIN_MS = 15_000;

export class Connection {
  #state;
  #tell;
  #asking = false;
  #waiting = []; // frames that come while /status is asked for
  #soon = null;
  #streams = false;
  #heard = Date.now();
  #lostAt = null;
  #asked = 0;
  #greeted = false;
  #framed = Date.now();
  #source = null;

  /** `tell` is called with the kind of the connection and the moment since when the page is stale. */
  constructor(state, tell) {
    this.#state = state;
    this.#tell = tell;
  }

  start() {
    this.#open();
    this.#recall();
    this.refresh();
    setInterval(() => this.#look(), 500);
  }

  async refresh() {
    if (this.#asking) return;
    this.#asking = true;
    this.#asked = Date.now();
    try {
      const answer = await fetch("/status", { signal: AbortSignal.timeout(10_000) });
      if (!answer.ok) throw new Error(`status ${answer.status}`);
      this.#state.takeStatus(await answer.json());
      this.#heard = Date.now();
      this.#lostAt = null;
    } catch {
      this.#lostAt ??= this.#heard;
    } finally {
      this.#asking = false;
      for (const frame of this.#waiting.splice(0)) this.#state.takeFrame(frame);
      this.#announce();
    }
  }

  /** Pushes of the time before, which the keeper remembers. */
  #recall() {
    const source = new EventSource(PAST);
    const over = () => source.close();
    source.onerror = over;
    setTimeout(over, PAST_MS);
    for (const type of TYPES) {
      source.addEventListener(type, ({ data }) => this.#state.takeFrame({ type, ...JSON.parse(data) }));
    }
  }

  #open() {
    const source = this.#source = new EventSource(STREAM);
    this.#framed = Date.now();
    source.onopen = () => {
      this.#streams = true;
      this.#heard = Date.now();
      this.#announce();
    };
    source.onerror = () => {
      this.#streams = false;
      this.#lostAt ??= Date.now();
      // Closed for good, by an answer that is no stream: /status is polled, and the stream tried again now and then.
      if (source.readyState === EventSource.CLOSED && source === this.#source) setTimeout(() => this.#open(), OPEN_AGAIN_MS);
      this.#announce();
    };
    for (const type of TYPES) source.addEventListener(type, (event) => this.#take(type, event.data));
  }

  #take(type, data) {
    this.#heard = this.#framed = Date.now();
    this.#lostAt = null;
    const frame = { type, ...JSON.parse(data) };
    if (type === "hello" && this.#greeted) this.#recall();
    if (type === "hello") this.#greeted = true;
    if (type === "hello" || type === "dropped") this.#soon ??= setTimeout(() => this.#refreshSoon(), 0);
    else if (this.#asking) this.#waiting.push(frame);
    else if (this.#state.takeFrame(frame)) this.#soon ??= setTimeout(() => this.#refreshSoon(), SOON_MS);
    if (this.#kind !== this.#announced) this.#announce();
  }

  #refreshSoon() {
    this.#soon = null;
    this.refresh();
  }

  #look() {
    const now = Date.now(), quiet = now - this.#heard > QUIET_MS;
    const every = !this.#streams ? POLL_MS : quiet ? QUIET_MS / 2 : REFRESH_MS;
    if (now - this.#asked >= every) this.refresh();
    if (this.#streams && now - this.#framed > DEAD_MS) {
      this.#source.close();
      this.#open();
    }
    this.#announce();
  }

  #announced = "connecting";

  get #kind() {
    if (this.#lostAt !== null) return Date.now() - this.#lostAt > STALE_MS ? "stale" : "reconnecting";
    if (this.#streams) return "live";
    return this.#state.status ? "polling" : "connecting";
  }

  #announce() {
    this.#announced = this.#kind;
    this.#tell(this.#announced, this.#heard);
  }
}
