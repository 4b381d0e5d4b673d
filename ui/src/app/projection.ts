// Nodes on a plane, as near to each other as they answer fast.

import { distance } from "./distance";
import type { NodeCoordinate } from "./types";

export interface Point {
  node: string;
  x: number; // 0 to 1
  y: number;
}

/** Stress majorization from a circle: the same input gives the same picture. */
export function project(coordinates: readonly NodeCoordinate[], rounds = 150): Point[] {
  const all = [...coordinates].sort((a, b) => (a.Node < b.Node ? -1 : 1));
  const count = all.length;
  const wanted = all.map((a) => all.map((b) => distance(a.Coord, b.Coord)));
  const largest = Math.max(1e-9, ...wanted.flat());
  let points = all.map((_, at) => ({ x: Math.cos((2 * Math.PI * at) / count) / 2, y: Math.sin((2 * Math.PI * at) / count) / 2 }));
  for (let round = 0; round < rounds; round++) {
    points = points.map((own, i) => {
      let x = 0;
      let y = 0;
      points.forEach((other, j) => {
        if (i === j) return;
        const dx = own.x - other.x;
        const dy = own.y - other.y;
        const length = Math.hypot(dx, dy) || 1e-6;
        const goal = (wanted[i]?.[j] ?? 0) / largest;
        x += other.x + (goal * dx) / length;
        y += other.y + (goal * dy) / length;
      });
      return count > 1 ? { x: x / (count - 1), y: y / (count - 1) } : own;
    });
  }
  return scaled(all.map((one, at) => ({ node: one.Node, ...(points[at] as { x: number; y: number }) })));
}

function scaled(points: Point[]): Point[] {
  const xs = points.map((one) => one.x);
  const ys = points.map((one) => one.y);
  const left = Math.min(...xs);
  const top = Math.min(...ys);
  const range = Math.max(Math.max(...xs) - left, Math.max(...ys) - top) || 1;
  return points.map((one) => ({ node: one.node, x: (one.x - left) / range, y: (one.y - top) / range }));
}
