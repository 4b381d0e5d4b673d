// Round-trip times from network coordinates.

import type { Coordinate } from "./types";

/** Seconds between two nodes. Source: Consul's documentation, "Network coordinates", working with coordinates. */
export function distance(a: Coordinate, b: Coordinate): number {
  let sum = 0;
  for (let axis = 0; axis < Math.min(a.Vec.length, b.Vec.length); axis++) sum += ((a.Vec[axis] ?? 0) - (b.Vec[axis] ?? 0)) ** 2;
  const plain = Math.sqrt(sum) + a.Height + b.Height;
  const adjusted = plain + a.Adjustment + b.Adjustment;
  return adjusted > 0 ? adjusted : plain;
}

export interface Spread {
  minimum: number;
  median: number;
  maximum: number;
}

export function spread(values: readonly number[]): Spread | null {
  if (values.length === 0) return null;
  const sorted = [...values].sort((a, b) => a - b);
  const half = Math.floor(sorted.length / 2);
  const at = (place: number) => sorted[place] as number;
  return { minimum: at(0), median: sorted.length % 2 ? at(half) : (at(half - 1) + at(half)) / 2, maximum: at(sorted.length - 1) };
}

/** How many values lie in each of so many equal parts from the smallest to the largest. */
export function histogram(values: readonly number[], parts: number): number[] {
  const found = new Array<number>(parts).fill(0);
  const range = spread(values);
  if (!range) return found;
  const width = (range.maximum - range.minimum) / parts || 1;
  for (const value of values) {
    const part = Math.min(parts - 1, Math.floor((value - range.minimum) / width));
    found[part] = (found[part] ?? 0) + 1;
  }
  return found;
}

export function milliseconds(seconds: number): string {
  const value = seconds * 1000;
  return `${value < 10 ? value.toFixed(2) : value < 100 ? value.toFixed(1) : Math.round(value)} ms`;
}
