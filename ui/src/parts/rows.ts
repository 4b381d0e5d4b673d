// Rows that stand still while somebody is among them, and that are marked when they change.

import { useEffect, useRef, useState } from "preact/hooks";
import { changes, keepOrder } from "../app/list";

const MARKED = 3000; // milliseconds

/** The rows in the order to show: as sorted, or, while the reader is among them, as they stood. */
export function useStillOrder<T>(sorted: T[], id: (row: T) => string, key: string) {
  const [inside, setInside] = useState(false);
  const shown = useRef<string[]>([]);
  const lastKey = useRef(key);
  const keep = inside && lastKey.current === key && shown.current.length > 0;
  const { rows, moved } = keep ? keepOrder(shown.current, sorted, id) : { rows: sorted, moved: 0 };
  shown.current = rows.map(id);
  lastKey.current = key;
  const resort = () => {
    shown.current = [];
    setInside(false);
  };
  return { rows, moved, resort, setInside };
}

/** The ids of rows that changed within the last three seconds. */
export function useMarks<T>(rows: T[] | undefined, id: (row: T) => string, essence: (row: T) => unknown = (row) => row): ReadonlySet<string> {
  const [marked, setMarked] = useState<ReadonlySet<string>>(new Set());
  const before = useRef<Map<string, string> | null>(null);
  useEffect(() => {
    if (!rows) return;
    const found = changes(before.current, rows, id, essence);
    before.current = new Map(rows.map((row) => [id(row), JSON.stringify(essence(row))]));
    if (found.size === 0 || found.size > rows.length / 2 + 5) return;
    setMarked((now) => new Set([...now, ...found]));
    setTimeout(() => setMarked((now) => new Set([...now].filter((one) => !found.has(one)))), MARKED);
  }, [rows]);
  return marked;
}
