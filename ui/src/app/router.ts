// Where the reader is, and how he gets elsewhere.

import { computed, signal } from "@preact/signals";
import { placeOf } from "./addresses";
import { settings } from "./settings";

const root = settings.content_path;

function below(): string {
  return location.pathname.startsWith(root) ? location.pathname.slice(root.length) : "";
}

const here = signal({ path: below(), search: location.search });

const path = computed(() => here.value.path); // so that a change of the query leaves the place as it is
export const place = computed(() => placeOf(path.value));
export const query = computed(() => new URLSearchParams(here.value.search));

const lists = new Map<string, string>(); // by path of a list, the query it was left with

export function href(path: string): string {
  return root + path;
}

/** The address of a list as it was last seen, so that the way back from an item restores it. */
export function backTo(path: string): string {
  return href(path) + (lists.get(path) ?? "");
}

export function go(path: string, options: { replace?: boolean } = {}): void {
  visit(path.startsWith(root) ? path : root + path, options.replace ?? false);
}

function visit(target: string, replace: boolean): void {
  lists.set(here.value.path, location.search);
  if (replace) history.replaceState(history.state, "", target);
  else {
    history.replaceState({ ...history.state, scroll: scrollY }, "");
    history.pushState({}, "", target);
    scrollTo(0, 0);
  }
  here.value = { path: below(), search: location.search };
}

/** Sets parameters of the address without a step of history; an empty one goes. */
export function setQuery(change: Record<string, string>): void {
  const next = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(change)) {
    if (value) next.set(name, value);
    else next.delete(name);
  }
  const text = next.toString();
  history.replaceState(history.state, "", location.pathname + (text ? `?${text}` : ""));
  here.value = { path: below(), search: location.search };
}

/** Takes over clicks on links to the page itself, and the browser's back and forward. */
export function watchNavigation(): void {
  history.scrollRestoration = "manual";
  addEventListener("popstate", () => {
    here.value = { path: below(), search: location.search };
    restoreScroll(history.state?.scroll ?? 0);
  });
  document.addEventListener("click", (event) => {
    const link = (event.target as Element | null)?.closest?.("a");
    if (!link || event.defaultPrevented || event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    if (link.target || link.hasAttribute("download") || link.origin !== location.origin || !link.pathname.startsWith(root)) return;
    if (link.hash && link.pathname === location.pathname) return;
    event.preventDefault();
    visit(link.pathname + link.search, false);
  });
}

/** The list has to be on screen before it can be scrolled; it comes from memory, so within some frames. */
function restoreScroll(top: number): void {
  let frames = 0;
  const step = () => {
    scrollTo(0, top);
    if (Math.abs(scrollY - top) > 2 && ++frames < 30) requestAnimationFrame(step);
  };
  requestAnimationFrame(step);
}
