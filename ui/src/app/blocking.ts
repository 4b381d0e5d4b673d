// The rules of a client of blocking queries, without any I/O.

/** The index to wait for next; 0 means: ask without waiting. An index that went back, or that is none, starts anew. */
export function nextIndex(before: number, received: string | null): number {
  const index = Number(received ?? "0");
  if (!Number.isSafeInteger(index) || index <= 0 || index < before) return 0;
  return index;
}

export const FIRST_PAUSE = 1; // seconds
export const LONGEST_PAUSE = 30;

/** Seconds until the next try after so many failures in a row; `chance` is from 0 to 1. */
export function pause(failures: number, chance: number): number {
  const whole = Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** Math.min(failures - 1, 10));
  return whole * (0.5 + chance / 2);
}

export const WAIT = 30; // seconds that one question may stay open; it is a sign of life too
export const STALE = 60; // seconds without contact from which on data count as stale
export const PATIENCE = 50; // milliseconds; an unchanged answer that came faster did not wait at all

/** Milliseconds to rest before the next question, so that a server that does not wait is not asked without end. */
export function rest(tookMilliseconds: number, index: number, changed: boolean): number {
  if (index === 0) return 5000;
  return !changed && tookMilliseconds < PATIENCE ? 1000 : 0;
}
