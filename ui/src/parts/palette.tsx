// Go anywhere by typing some letters.

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { paths } from "../app/addresses";
import { address, ApiError, get } from "../app/api";
import { currentDatacenter, dcParameter } from "../app/datacenter";
import { best } from "../app/fuzzy";
import { helpOpen, paletteOpen } from "../app/keys";
import { m } from "../app/messages";
import { go } from "../app/router";
import { Dialog } from "./dialog";

interface Target {
  kind: string;
  title: string;
  act: () => void;
}

const MOST = 30;
const SECTIONS = ["services", "nodes", "kv", "sessions", "queries", "members", "events", "monitor", "snapshots", "topology"] as const;

function pages(dc: string): Target[] {
  const page = (title: string, path: string): Target => ({ kind: m.palette.page, title, act: () => go(path) });
  return [
    ...SECTIONS.map((one) => page(m.navigation[one], paths.section(dc, one))),
    page(m.navigation.overview, paths.section(dc, "overview/server-status")),
    page(m.navigation.settings, "settings"),
    page(m.keys.create, paths.createKey(dc, "")),
    { kind: m.palette.page, title: m.shell.help, act: () => (helpOpen.value = true) },
  ];
}

async function ask<T>(path: string): Promise<T | null> {
  try {
    return (await get<T>(path)).data;
  } catch (error) {
    if (error instanceof ApiError) return null; // what may not be seen is not offered
    throw error;
  }
}

async function learn(dc: string): Promise<Target[]> {
  const parameter = { dc: dcParameter(dc) };
  const [services, nodes, keys] = await Promise.all([
    ask<Record<string, string[]>>(address("/v1/catalog/services", parameter)),
    ask<{ Node: string }[]>(address("/v1/catalog/nodes", parameter)),
    ask<string[]>(address("/v1/kv/", { keys: true, ...parameter })),
  ]);
  const to = (kind: string, title: string, path: string): Target => ({ kind, title, act: () => go(path) });
  return [
    ...Object.keys(services ?? {}).map((one) => to(m.palette.service, one, paths.service(dc, one))),
    ...(nodes ?? []).map((one) => to(m.palette.node, one.Node, paths.node(dc, one.Node))),
    ...(keys ?? []).slice(0, 20_000).map((one) => to(m.palette.key, one, one.endsWith("/") ? paths.folder(dc, one) : paths.key(dc, one))),
  ];
}

export function Palette() {
  return paletteOpen.value ? <Open /> : null;
}

function Open() {
  const dc = currentDatacenter.value;
  const [wanted, setWanted] = useState("");
  const [known, setKnown] = useState<Target[]>([]);
  const [at, setAt] = useState(0);
  const list = useRef<HTMLUListElement>(null);
  useEffect(() => {
    void learn(dc).then(setKnown);
  }, [dc]);
  const all = useMemo(() => [...pages(dc), ...known], [dc, known]);
  const found = wanted ? best(all, wanted, (one) => one.title, MOST) : all.slice(0, MOST);
  const close = () => (paletteOpen.value = false);
  const choose = (target: Target | undefined) => {
    if (!target) return;
    close();
    target.act();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    if (step) {
      event.preventDefault();
      const next = (at + step + found.length) % Math.max(1, found.length);
      setAt(next);
      list.current?.children[next]?.scrollIntoView({ block: "nearest" });
    } else if (event.key === "Enter") {
      event.preventDefault();
      choose(found[at]);
    }
  };
  return (
    <Dialog title={m.palette.title} onClose={close}>
      <div class="palette">
        <input
          data-first
          type="text"
          role="combobox"
          aria-label={m.palette.placeholder}
          aria-expanded="true"
          aria-controls="palette-list"
          aria-activedescendant={found.length ? `palette-${at}` : undefined}
          placeholder={m.palette.placeholder}
          autocomplete="off"
          spellcheck={false}
          value={wanted}
          onInput={(event) => {
            setWanted(event.currentTarget.value);
            setAt(0);
          }}
          onKeyDown={onKeyDown}
        />
        <ul id="palette-list" role="listbox" aria-label={m.palette.title} ref={list}>
          {found.map((one, number) => (
            <li key={`${one.kind}/${one.title}`} id={`palette-${number}`} role="option" aria-selected={number === at} onClick={() => choose(one)}>
              <span>{one.title}</span>
              <small>{one.kind}</small>
            </li>
          ))}
        </ul>
        {found.length === 0 && <p class="hint">{m.palette.none}</p>}
      </div>
    </Dialog>
  );
}

export function Help() {
  if (!helpOpen.value) return null;
  const close = () => (helpOpen.value = false);
  return (
    <Dialog title={m.help.title} onClose={close}>
      <dl class="shortcuts">
        {m.help.keys.map(([keys, text]) => (
          <div key={keys}>
            <dt>
              <kbd>{keys}</kbd>
            </dt>
            <dd>{text}</dd>
          </div>
        ))}
      </dl>
      <div class="buttons">
        <button type="button" data-first onClick={close}>
          {m.help.close}
        </button>
      </div>
    </Dialog>
  );
}
