// What lists do with their rows: search, filter, sort, keep still, tell what changed. No DOM.

export interface Facet<T> {
  key: string;
  title: string;
  values: (row: T) => string[];
}

export interface Sort<T> {
  key: string;
  title: string;
  compare: (a: T, b: T) => number;
}

/** Rows that hold every word of the search somewhere in their text, capitals aside. */
export function search<T>(rows: readonly T[], wanted: string, text: (row: T) => string): T[] {
  const words = wanted.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return [...rows];
  return rows.filter((row) => {
    const found = text(row).toLowerCase();
    return words.every((word) => found.includes(word));
  });
}

export type Chosen = Record<string, string[]>;

/** Rows that have one of the chosen values in every facet that has any chosen. */
export function choose<T>(rows: readonly T[], facets: readonly Facet<T>[], chosen: Chosen): T[] {
  const active = facets.filter((facet) => chosen[facet.key]?.length);
  return rows.filter((row) => active.every((facet) => facet.values(row).some((value) => chosen[facet.key]?.includes(value))));
}

/** How many rows have each value of a facet, in the order of the values. */
export function counts<T>(rows: readonly T[], facet: Facet<T>): [string, number][] {
  const found = new Map<string, number>();
  for (const row of rows) for (const value of new Set(facet.values(row))) found.set(value, (found.get(value) ?? 0) + 1);
  return [...found].sort(([a], [b]) => byText(a, b));
}

const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

export function byText(a: string, b: string): number {
  return collator.compare(a, b);
}

/** Sorted by `key:asc` or `key:desc`; the first sort is the default, and the first by text settles ties. */
export function sort<T>(rows: readonly T[], sorts: readonly Sort<T>[], wanted: string): T[] {
  const [key, direction] = wanted.split(":");
  const chosen = sorts.find((one) => one.key === key) ?? sorts[0];
  if (!chosen) return [...rows];
  const sign = direction === "desc" ? -1 : 1;
  return [...rows].sort((a, b) => sign * chosen.compare(a, b));
}

/** The rows in the order that they had, new ones at the end, and how many stand elsewhere than they should. */
export function keepOrder<T>(before: readonly string[], sorted: readonly T[], id: (row: T) => string): { rows: T[]; moved: number } {
  const position = new Map(before.map((one, at) => [one, at]));
  const place = (row: T) => position.get(id(row)) ?? before.length;
  const rows = [...sorted].sort((a, b) => place(a) - place(b));
  const moved = rows.filter((row, at) => id(row) !== id(sorted[at] as T)).length;
  return { rows, moved };
}

/** The ids of rows that are new or different; nothing at first. */
export function changes<T>(
  before: ReadonlyMap<string, string> | null,
  rows: readonly T[],
  id: (row: T) => string,
  essence: (row: T) => unknown = (row) => row,
): Set<string> {
  const found = new Set<string>();
  if (before) for (const row of rows) if (before.get(id(row)) !== JSON.stringify(essence(row))) found.add(id(row));
  return found;
}

/** Which rows of equal height are on screen, with some more on both sides. */
export function visible(total: number, rowHeight: number, top: number, height: number): { from: number; to: number } {
  const from = Math.max(0, Math.floor(top / rowHeight) - 12);
  const to = Math.min(total, Math.ceil((top + height) / rowHeight) + 12);
  return { from: Math.min(from, to), to };
}
