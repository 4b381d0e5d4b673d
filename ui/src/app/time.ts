// Times as people say them.

const STEPS: [number, Intl.RelativeTimeFormatUnit][] = [
  [60, "second"],
  [60, "minute"],
  [24, "hour"],
  [Infinity, "day"],
];
const words = new Intl.RelativeTimeFormat("en", { numeric: "auto" });

/** "3 minutes ago", for times in milliseconds. */
export function relative(time: number, now: number): string {
  let amount = Math.min(0, Math.round((time - now) / 1000));
  for (const [size, unit] of STEPS) {
    if (Math.abs(amount) < size) return words.format(amount, unit);
    amount = Math.trunc(amount / size);
  }
  return "";
}

export function exact(time: number): string {
  return new Date(time).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
}

/** Nanoseconds as the peers write durations in JSON: 15000000000 is "15s". */
export function nanoseconds(value: number): string {
  const seconds = value / 1e9;
  if (seconds < 1) return `${value / 1e6}ms`;
  return seconds % 60 === 0 && seconds >= 60 ? `${seconds / 60}m` : `${seconds}s`;
}

export function size(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  const short = (value: number) => String(Math.round(value * 10) / 10);
  return bytes < 1024 * 1024 ? `${short(bytes / 1024)} kB` : `${short(bytes / 1024 / 1024)} MB`;
}
