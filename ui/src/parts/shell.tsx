// The frame of every page: the bar, the navigation, what is wrong with the cluster.

import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { paths } from "../app/addresses";
import { accessor, signOut, token } from "../app/auth";
import { STALE } from "../app/blocking";
import { lastContact, leaderless, liveness, now, trouble } from "../app/connection";
import { currentDatacenter } from "../app/datacenter";
import { helpOpen, paletteOpen } from "../app/keys";
import { useLive } from "../app/live";
import { m } from "../app/messages";
import { prefer, preferences } from "../app/preferences";
import { go, href, place } from "../app/router";
import { relative } from "../app/time";
import { signal } from "@preact/signals";
import { Icon } from "./icons";
import { signInOpen } from "./sign-in";

const drawerOpen = signal(false);

const GROUPS: [string, string[]][] = [
  [m.navigation.catalog, ["services", "nodes", "kv", "queries", "sessions"]],
  [m.navigation.cluster, ["overview", "members", "topology", "events", "monitor", "snapshots"]],
  [m.navigation.page, ["settings"]],
];
const SECTION_OF: Record<string, string> = { service: "services", instance: "services", node: "nodes", key: "kv", "create-key": "kv" };

export function Shell({ children }: { children: ComponentChildren }) {
  const leader = useLive<string>("/v1/status/leader", { topics: [], poll: 10_000 });
  useEffect(() => {
    if (leader.data !== undefined && !leader.error) leaderless.value = leader.data === "";
  }, [leader.data, leader.error]);
  useEffect(() => {
    drawerOpen.value = false;
  }, [place.value]);
  return (
    <div class={`shell ${drawerOpen.value ? "drawer" : ""}`}>
      <a class="skip" href="#content">
        {m.skip}
      </a>
      <Bar />
      <Navigation />
      <main id="content" tabIndex={-1}>
        <Alarms />
        {children}
      </main>
    </div>
  );
}

function Bar() {
  return (
    <header class="bar">
      <button
        type="button"
        class="quiet drawer-button"
        aria-expanded={drawerOpen.value}
        aria-controls="navigation"
        aria-label={drawerOpen.value ? m.navigation.close : m.navigation.open}
        onClick={() => (drawerOpen.value = !drawerOpen.value)}
      >
        <Icon name={drawerOpen.value ? "cross" : "menu"} />
      </button>
      <a class="product" href={href(paths.section(currentDatacenter.value, "services"))}>
        {m.product}
      </a>
      <Datacenters />
      <button type="button" class="palette-button" aria-keyshortcuts="Control+K" onClick={() => (paletteOpen.value = true)}>
        <Icon name="search" />
        <span>{m.shell.palette}</span>
        <kbd>Ctrl K</kbd>
      </button>
      <span class="gap" />
      <LiveIndicator />
      <Theme />
      <Who />
    </header>
  );
}

function Datacenters() {
  const found = useLive<string[]>("/v1/catalog/datacenters", { topics: [], poll: 60_000 });
  const current = currentDatacenter.value;
  const all = [...new Set([...(found.data ?? []), current])];
  if (all.length < 2) return <span class="datacenter">{current}</span>;
  return (
    <label class="datacenter">
      <span class="visually-hidden">{m.shell.datacenter}</span>
      <select
        value={current}
        onChange={(event) => {
          prefer({ datacenter: event.currentTarget.value });
          go(paths.section(event.currentTarget.value, SECTION_OF[place.value.page] ?? (place.value.page || "services")));
        }}
      >
        {all.map((one) => (
          <option key={one}>{one}</option>
        ))}
      </select>
    </label>
  );
}

function LiveIndicator() {
  const state = liveness.value;
  const problem = trouble.value;
  const detail =
    state === "reconnecting" && problem ? m.shell.nextTry(Math.max(0, Math.round((problem.nextTry - now.value) / 1000))) : "";
  return (
    <button
      type="button"
      class={`quiet live ${state}`}
      aria-label={`${m.shell[state]}${detail ? `, ${detail}` : ""}. ${preferences.value.live ? m.shell.pause : m.shell.resume}`}
      title={preferences.value.live ? m.shell.pause : m.shell.resume}
      onClick={() => prefer({ live: !preferences.value.live })}
    >
      <span class="dot" aria-hidden="true" />
      <span class="word">
        {m.shell[state]}
        {detail && <small> {detail}</small>}
      </span>
    </button>
  );
}

function Theme() {
  const { theme } = preferences.value;
  const next = theme === "system" ? "light" : theme === "light" ? "dark" : "system";
  const label = `${m.shell.theme}: ${m.shell.themes[theme]}`;
  return (
    <button type="button" class="quiet" aria-label={label} title={label} onClick={() => prefer({ theme: next })}>
      <Icon name={theme === "system" ? "half" : theme === "light" ? "sun" : "moon"} />
    </button>
  );
}

function Who() {
  if (!token.value) {
    return (
      <button type="button" class="quiet" aria-label={m.shell.signIn} onClick={() => (signInOpen.value = true)}>
        <Icon name="person" />
        <span class="word">{m.shell.signIn}</span>
      </button>
    );
  }
  return (
    <button type="button" class="quiet" title={accessor.value} aria-label={m.shell.signOut} onClick={signOut}>
      <Icon name="person" />
      <span class="word">{m.shell.signOut}</span>
    </button>
  );
}

function Navigation() {
  const { page } = place.value;
  const current = SECTION_OF[page] ?? page;
  const own = useRef<HTMLElement>(null);
  return (
    <nav class="navigation" id="navigation" ref={own} aria-label={m.navigation.label}>
      {GROUPS.map(([title, sections]) => (
        <section key={title}>
          <h2>{title}</h2>
          <ul>
            {sections.map((section) => (
              <li key={section}>
                <a
                  href={href(section === "settings" ? "settings" : paths.section(currentDatacenter.value, section === "overview" ? "overview/server-status" : section))}
                  aria-current={section === current ? "page" : undefined}
                  onClick={() => (drawerOpen.value = false)}
                >
                  <Icon name={section} />
                  <span>{m.navigation[section as keyof typeof m.navigation]}</span>
                </a>
              </li>
            ))}
          </ul>
        </section>
      ))}
      <button type="button" class="quiet help" onClick={() => (helpOpen.value = true)}>
        <kbd>?</kbd>
        <span>{m.shell.help}</span>
      </button>
    </nav>
  );
}

function Alarms() {
  const problem = trouble.value;
  const age = (now.value - lastContact.value) / 1000;
  return (
    <>
      {leaderless.value && (
        <p class="alarm critical" role="alert">
          <Icon name="warning" /> {m.shell.noLeader}
        </p>
      )}
      {problem && (
        <p class="alarm critical" role="status">
          <Icon name="warning" />
          <span>
            {m.shell.unreachable} {lastContact.value > 0 && age > STALE && m.shell.stale(relative(lastContact.value, now.value))}
          </span>
        </p>
      )}
      {!preferences.value.live && (
        <p class="alarm" role="status">
          <span>{m.shell.stale(relative(lastContact.value, now.value))}</span>
          <button type="button" onClick={() => prefer({ live: true })}>
            {m.shell.resume}
          </button>
        </p>
      )}
    </>
  );
}
