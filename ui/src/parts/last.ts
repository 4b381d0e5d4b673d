import { useRef } from "preact/hooks";

/** The last value that was there: what is deleted while somebody reads it stays on the screen. */
export function useLast<T>(value: T | undefined): T | undefined {
  const last = useRef<T | undefined>(undefined);
  if (value !== undefined) last.current = value;
  return last.current;
}
