// A folder of keys, and what is done with it.

import { useState } from "preact/hooks";
import { paths } from "../app/addresses";
import { address, escapeKey, get, remove } from "../app/api";
import { dcParameter } from "../app/datacenter";
import { byText, type Sort } from "../app/list";
import { useLive } from "../app/live";
import { m } from "../app/messages";
import { go, href, place } from "../app/router";
import type { KeyValue } from "../app/types";
import { Confirm } from "../parts/dialog";
import { save } from "../parts/download";
import { Empty } from "../parts/feedback";
import { Icon } from "../parts/icons";
import { ImportKeys } from "../parts/import-keys";
import { type Column, List } from "../parts/list";
import { Crumbs } from "../parts/small";
import { announce } from "../parts/toast";

const isFolder = (key: string) => key.endsWith("/");
const SORTS: Sort<string>[] = [
  { key: "Name", title: m.keys.name, compare: (a, b) => Number(isFolder(b)) - Number(isFolder(a)) || byText(a, b) },
];

/** The folders above a key, from the root. */
export function crumbsOf(dc: string, key: string): [string, string][] {
  const parts = key.split("/").slice(0, -1);
  return [
    [m.keys.title, href(paths.folder(dc, ""))],
    ...parts.map((part, at): [string, string] => [part || "∅", href(paths.folder(dc, `${parts.slice(0, at + 1).join("/")}/`))]),
  ];
}

export function Keys() {
  const { dc, names } = place.value;
  const prefix = names[0] ?? "";
  const parameter = { dc: dcParameter(dc) };
  const live = useLive<string[]>(address(`/v1/kv/${escapeKey(prefix)}`, { keys: true, separator: "/", ...parameter }), { topics: ["keys"] });
  const [deleting, setDeleting] = useState<{ key: string; count: number } | null>(null);
  const [isImporting, setImporting] = useState(false);
  const isNothing = live.error?.status === 404;
  const rows = isNothing ? [] : live.data?.filter((key) => key !== prefix);
  const ask = async (key: string) => {
    const { data } = isFolder(key) ? await get<string[]>(address(`/v1/kv/${escapeKey(key)}`, { keys: true, ...parameter })) : { data: [key] };
    setDeleting({ key, count: data.length });
  };
  const columns: Column<string>[] = [
    {
      key: "Name",
      title: m.keys.name,
      kind: "name",
      cell: (key) => (
        <a class="with-icon" href={href(isFolder(key) ? paths.folder(dc, key) : paths.key(dc, key))}>
          <Icon name={isFolder(key) ? "folder" : "file"} />
          <span>{key.slice(prefix.length)}</span>
        </a>
      ),
    },
    {
      key: "act",
      title: m.list.actions,
      width: "3.5rem",
      cell: (key) => (
        <span class="actions">
          <button type="button" class="quiet" aria-label={`${isFolder(key) ? m.keys.deleteFolder : m.keys.delete} ${key}`} onClick={() => void ask(key)}>
            <Icon name="cross" />
          </button>
        </span>
      ),
    },
  ];
  const create = (
    <>
      <button type="button" onClick={() => setImporting(true)}>
        {m.keys.import}
      </button>
      {rows !== undefined && rows.length > 0 && (
        <button type="button" onClick={() => void exportFolder(prefix, parameter.dc)}>
          {m.keys.export}
        </button>
      )}
      <button type="button" class="primary" onClick={() => go(paths.createKey(dc, prefix))}>
        {m.keys.create}
      </button>
    </>
  );
  const { title, crumbs } = headingOf(dc, prefix);
  return (
    <>
      {prefix && <Crumbs items={crumbs} />}
      <List
        title={title}
        live={isNothing ? { ...live, error: null } : live}
        rows={rows}
        id={(key) => key}
        text={(key) => key.slice(prefix.length)}
        columns={columns}
        sorts={SORTS}
        actions={create}
        empty={<Empty title={m.empty.keys} text={m.empty.keysText} command={m.empty.keysCommand(prefix)} />}
      />
      {deleting && (
        <Confirm
          title={isFolder(deleting.key) ? m.keys.deleteFolder : m.keys.delete}
          verb={isFolder(deleting.key) ? m.keys.deleteFolder : m.keys.delete}
          word={isFolder(deleting.key) ? deleting.key : undefined}
          onClose={() => setDeleting(null)}
          act={async () => {
            await remove(address(`/v1/kv/${escapeKey(deleting.key)}`, { recurse: isFolder(deleting.key), ...parameter }));
            announce(m.keys.removed);
            live.refresh();
          }}
        >
          <p>{isFolder(deleting.key) ? m.keys.deleteFolderText(deleting.key, deleting.count) : m.keys.deleteText(deleting.key)}</p>
        </Confirm>
      )}
      {isImporting && <ImportKeys onClose={() => setImporting(false)} dc={parameter.dc} />}
    </>
  );
}

function headingOf(dc: string, prefix: string): { title: string; crumbs: [string, string][] } {
  if (!prefix) return { title: m.keys.title, crumbs: [] };
  const parts = prefix.split("/");
  return { title: `${parts.at(-2) || "∅"}/`, crumbs: crumbsOf(dc, prefix.slice(0, -1)) };
}

async function exportFolder(prefix: string, dc: string | undefined): Promise<void> {
  const { data } = await get<KeyValue[]>(address(`/v1/kv/${escapeKey(prefix)}`, { recurse: true, dc }));
  const entries = data.map((one) => ({ key: one.Key, flags: one.Flags, value: one.Value ?? "" }));
  save(`${prefix.replaceAll("/", "-") || "keys-"}export.json`, JSON.stringify(entries, null, "\t"), "application/json");
  announce(m.keys.exported(entries.length));
}
