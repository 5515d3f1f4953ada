// Numbers and times for people. Prices and amounts come as decimal text and are cut, never computed with.

/** "61409.93501000" -> "61,409.94": about seven digits that matter, or as many as `like` has. */
export function price(value, like = value) {
  if (value === null || value === undefined) return "–";
  const number = Number(value);
  if (!Number.isFinite(number)) return value;
  const size = Math.abs(Number(like));
  const digits = size >= 1000 ? 2 : size >= 1 ? 4 : 6;
  if (size > 0 && size < 0.001) return number.toPrecision(4);
  return number.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

export function percent(number, digits = 3) {
  return number === null || !Number.isFinite(number) ? "–" : `${number.toFixed(digits)}%`;
}

/** Thresholds as somebody set them: "0.5000" -> "0.5%". */
export function threshold(value) {
  return value === null ? "–" : `${Number(value)}%`;
}

/** Seconds, in the unit that fits. */
export function duration(seconds) {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return "–";
  const s = Math.max(0, seconds);
  if (s < 100) return `${Math.floor(s)}\u00a0s`;
  if (s < 6_000) return `${Math.floor(s / 60)}\u00a0min`;
  if (s < 172_800) return `${Math.floor(s / 3_600)}\u00a0h`;
  return `${Math.floor(s / 86_400)}\u00a0d`;
}

export function ago(seconds) {
  return seconds === null || !Number.isFinite(seconds) ? "never" : seconds < 1 ? "now" : `${duration(seconds)} ago`;
}

/** A coin amount with the digits that matter. */
export function coins(amount) {
  if (!amount) return "–";
  const number = Number(amount.native);
  if (number === 0) return "0";
  if (Math.abs(number) < 1e-6) return number.toExponential(2);
  return number.toLocaleString("en", Math.abs(number) >= 1 ? { maximumFractionDigits: 4 } : { maximumSignificantDigits: 4 });
}

export function clock(unixSeconds) {
  return new Date(unixSeconds * 1000).toLocaleTimeString("en-GB");
}

/** "within_thresholds" -> "within thresholds" */
export function words(word) {
  return word ? word.replaceAll("_", " ") : "";
}

export function shortened(hex) {
  return hex && hex.length > 14 ? `${hex.slice(0, 8)}…${hex.slice(-4)}` : hex ?? "";
}

export function count(number, noun) {
  return `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : noun.endsWith("h") ? "es" : "s"}`;
}
