// The keyboard: single letters, off inside fields and where the reader wants none.

import { place } from "./router";
import { preferences } from "./preferences";
import { paths } from "./addresses";
import { go } from "./router";
import { currentDatacenter } from "./datacenter";
import { signal } from "@preact/signals";

export const paletteOpen = signal(false);
export const helpOpen = signal(false);
const SECTIONS: Record<string, string> = { s: "services", n: "nodes", k: "kv" };
const PARENTS: Record<string, string> = { service: "services", instance: "services", node: "nodes", key: "kv", "create-key": "kv" };
let afterG = 0;

function isField(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
}

export function watchKeys(): void {
  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
      event.preventDefault();
      paletteOpen.value = true;
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (event.key === "Escape") return escape(event);
    if (isField(event.target) || !preferences.value.shortcuts) return;
    if (letter(event.key)) event.preventDefault();
  });
}

function letter(key: string): boolean {
  const section = SECTIONS[key];
  if (section && performance.now() - afterG < 1000) {
    go(paths.section(currentDatacenter.value, section));
    return true;
  }
  switch (key) {
    case "g":
      afterG = performance.now();
      return true;
    case "/":
      return focus("[data-search]");
    case "e":
      return press("[data-edit]");
    case "?":
      return (helpOpen.value = true);
    case "j":
      return step(1);
    case "k":
      return step(-1);
    default:
      return false;
  }
}

function focus(selector: string): boolean {
  const found = document.querySelector<HTMLElement>(selector);
  found?.focus();
  return found !== null;
}

function press(selector: string): boolean {
  const found = document.querySelector<HTMLElement>(selector);
  found?.click();
  return found !== null;
}

function step(by: number): boolean {
  const links = [...document.querySelectorAll<HTMLElement>("main tbody th a")];
  const at = links.indexOf(document.activeElement as HTMLElement);
  const next = links[at < 0 ? (by > 0 ? 0 : links.length - 1) : Math.min(links.length - 1, Math.max(0, at + by))];
  next?.focus();
  return next !== undefined;
}

function escape(event: KeyboardEvent): void {
  if (isField(event.target)) {
    (event.target as HTMLElement).blur();
    return;
  }
  if (PARENTS[place.value.page]) document.querySelector<HTMLElement>(".crumbs li:last-child a")?.click();
}
