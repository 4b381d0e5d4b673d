// How live the page is: what every resource tells about its contact with the agent.

import { computed, signal } from "@preact/signals";
import { preferences } from "./preferences";

export const now = signal(Date.now());
export const hidden = signal(false);
export const leaderless = signal(false);

interface Trouble {
  since: number;
  nextTry: number;
}

export const trouble = signal<Trouble | null>(null);
export const lastContact = signal(0);

export type Liveness = "live" | "reconnecting" | "paused";

export const liveness = computed<Liveness>(() => {
  if (!preferences.value.live || hidden.value) return "paused";
  return trouble.value ? "reconnecting" : "live";
});

export function reached(): void {
  lastContact.value = Date.now();
  if (trouble.value) trouble.value = null;
}

export function failed(nextTry: number): void {
  trouble.value = { since: trouble.value?.since ?? Date.now(), nextTry };
}

const HIDDEN_AFTER = 30_000; // milliseconds until a hidden tab lets its questions go

export function watchVisibility(): void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  document.addEventListener("visibilitychange", () => {
    clearTimeout(timer);
    if (document.hidden) timer = setTimeout(() => (hidden.value = true), HIDDEN_AFTER);
    else hidden.value = false;
  });
  setInterval(() => (now.value = Date.now()), 1000);
}
