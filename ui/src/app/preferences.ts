// What the reader of the page prefers, kept in this browser.

import { effect, signal } from "@preact/signals";

export interface Preferences {
  live: boolean;
  theme: "system" | "light" | "dark";
  dense: boolean;
  absoluteTime: boolean;
  shortcuts: boolean;
  dashboard: string;
  datacenter: string;
}

const KEY = "muster:preferences";
const DEFAULTS: Preferences = {
  live: true,
  theme: "system",
  dense: false,
  absoluteTime: false,
  shortcuts: true,
  dashboard: "",
  datacenter: "",
};

function stored(): Preferences {
  try {
    return { ...DEFAULTS, ...JSON.parse(localStorage.getItem(KEY) ?? "{}") };
  } catch {
    return DEFAULTS; // storage is switched off or holds something else
  }
}

export const preferences = signal<Preferences>(stored());

export function prefer(change: Partial<Preferences>): void {
  preferences.value = { ...preferences.value, ...change };
  try {
    localStorage.setItem(KEY, JSON.stringify(preferences.value));
  } catch {
    // the choice then lasts as long as the tab
  }
}

export function applyPreferences(): void {
  effect(() => {
    const { theme, dense } = preferences.value;
    const root = document.documentElement;
    if (theme === "system") delete root.dataset["theme"];
    else root.dataset["theme"] = theme;
    root.dataset["dense"] = String(dense);
  });
}
