// Keys from a file as `kv export` writes it, shown before they are written.

import { useState } from "preact/hooks";
import { address, ApiError, escapeKey, get, put } from "../app/api";
import { m } from "../app/messages";
import { decode } from "../app/values";
import type { KeyValue } from "../app/types";
import { Dialog } from "./dialog";
import { announce } from "./toast";

export interface Entry {
  key: string;
  flags: number;
  value: string; // base64
}

/** The entries of an export; null if the text is none. */
export function parseExport(text: string): Entry[] | null {
  try {
    const found: unknown = JSON.parse(text);
    if (!Array.isArray(found)) return null;
    const entries = found.map((one) => ({ key: one?.key, flags: one?.flags ?? 0, value: one?.value ?? "" }));
    for (const one of entries) {
      if (typeof one.key !== "string" || !one.key || typeof one.value !== "string" || !Number.isInteger(one.flags)) return null;
      atob(one.value);
    }
    return entries as Entry[];
  } catch {
    return null;
  }
}

export function ImportKeys({ onClose, dc }: { onClose: () => void; dc: string | undefined }) {
  const [entries, setEntries] = useState<Entry[] | null>(null);
  const [summary, setSummary] = useState("");
  const [failure, setFailure] = useState("");
  const [done, setDone] = useState<number | null>(null);
  const read = async (file: File | undefined) => {
    if (!file) return;
    const found = parseExport(await file.text());
    setEntries(found);
    setFailure(found ? "" : m.keys.importBad);
    if (found) setSummary(await preview(found, dc));
  };
  const write = async (event: Event) => {
    event.preventDefault();
    if (!entries) return;
    try {
      for (const [at, one] of entries.entries()) {
        setDone(at);
        await put(address(`/v1/kv/${escapeKey(one.key)}`, { flags: one.flags || undefined, dc }), { text: decode(one.value).bytes });
      }
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      setFailure(error.text);
      setDone(null);
      return;
    }
    announce(m.keys.saved);
    onClose();
  };
  return (
    <Dialog title={m.keys.importTitle} onClose={onClose}>
      <form onSubmit={write}>
        <label class="field">
          <span>{m.keys.importText}</span>
          <input type="file" data-first accept=".json,application/json" onChange={(event) => void read(event.currentTarget.files?.[0])} />
        </label>
        {summary && entries && <p>{summary}</p>}
        {done !== null && entries && <progress value={done} max={entries.length} aria-label={m.keys.import} />}
        {failure && (
          <p class="invalid" role="alert">
            {failure}
          </p>
        )}
        <div class="buttons">
          <button type="button" onClick={onClose}>
            {m.confirm.cancel}
          </button>
          <button type="submit" class="primary" disabled={!entries || done !== null}>
            {m.keys.importDo(entries?.length ?? 0)}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

/** How many keys are new, the same and different. */
async function preview(entries: Entry[], dc: string | undefined): Promise<string> {
  let fresh = 0;
  let same = 0;
  for (const one of entries) {
    try {
      const { data } = await get<KeyValue[]>(address(`/v1/kv/${escapeKey(one.key)}`, { dc }));
      if ((data[0]?.Value ?? "") === one.value) same++;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.status === 404) fresh++;
    }
  }
  return m.keys.importKeys(fresh, same, entries.length - fresh - same);
}
