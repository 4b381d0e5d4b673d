// What a check was, over time.

import { statusOf, type Status } from "./health";

interface Change {
  Time: number; // nanoseconds since 1970
  Before: string;
  Status: string;
}

export interface Segment {
  from: number; // milliseconds since 1970
  share: number; // of the whole, 0 to 1
  status: Status;
}

/** The statuses from `begin` to `end` (milliseconds) as parts that follow each other. */
export function segments(changes: readonly Change[], status: string, begin: number, end: number): Segment[] {
  const found: Segment[] = [];
  const add = (from: number, to: number, text: string) => {
    const start = Math.max(from, begin);
    if (to > start) found.push({ from: start, share: (to - start) / (end - begin), status: statusOf(text) });
  };
  let from = begin;
  let current = changes[0]?.Before ?? status;
  for (const change of changes) {
    const at = Math.min(end, change.Time / 1e6);
    add(from, at, current);
    from = Math.max(from, at);
    current = change.Status;
  }
  add(from, end, current);
  return found;
}
