// One key: shown first, edited on demand, saved only over what was seen.

import { useEffect, useState } from "preact/hooks";
import { paths } from "../app/addresses";
import { address, ApiError, escapeKey, get, put, remove } from "../app/api";
import { dcParameter } from "../app/datacenter";
import { useLive } from "../app/live";
import { m } from "../app/messages";
import { go, href, place } from "../app/router";
import { size } from "../app/time";
import type { KeyValue, Session } from "../app/types";
import { decode, hex, syntaxOf } from "../app/values";
import { Conflict } from "../parts/conflict";
import { Confirm } from "../parts/dialog";
import { save } from "../parts/download";
import { Editor, LIMIT } from "../parts/editor";
import { Failure, Loading } from "../parts/feedback";
import { Code, Crumbs, Facts, Heading, Notice } from "../parts/small";
import { announce } from "../parts/toast";
import { useLast } from "../parts/last";
import { crumbsOf } from "./keys";

interface Draft {
  text: string;
  base: KeyValue; // what was seen when the editing began
}

export function KeyPage() {
  const { dc, names } = place.value;
  const key = names[0] ?? "";
  const path = address(`/v1/kv/${escapeKey(key)}`, { dc: dcParameter(dc) });
  const live = useLive<KeyValue[]>(path, { topics: ["keys"] });
  const isGone = live.error?.status === 404;
  const entry = useLast(live.data?.[0]);
  const [draft, setDraft] = useState<Draft | null>(null);
  const [conflict, setConflict] = useState<KeyValue | null>(null);
  const [deleting, setDeleting] = useState(false);
  const [failure, setFailure] = useState("");
  useEffect(() => setFailure(""), [draft === null]);

  const write = async (content: string | Uint8Array<ArrayBuffer>, index: number, flags: number) => {
    setFailure("");
    try {
      const won = await put<boolean>(address(path, { cas: index, flags: flags || undefined }), { text: content });
      if (!won) {
        const now = await current(path);
        if (now) setConflict(now);
        else setFailure(m.keys.deleted);
        return;
      }
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      setFailure(error.text);
      return;
    }
    setConflict(null);
    setDraft(null);
    announce(m.keys.saved);
    live.refresh();
  };

  const name = key.split("/").at(-1) || key;
  if (!entry) {
    return (
      <>
        <Crumbs items={crumbsOf(dc, key)} />
        <Heading title={name} />
        {live.error ? <Failure error={live.error} retry={live.refresh} /> : <Loading />}
      </>
    );
  }
  const value = decode(entry.Value);
  const index = isGone ? 0 : (draft?.base.ModifyIndex ?? entry.ModifyIndex);
  return (
    <>
      <Crumbs items={crumbsOf(dc, key)} />
      <Heading title={name}>
        {!draft && (
          <>
            {value.text !== null && (
              <button type="button" class="primary" data-edit onClick={() => setDraft({ text: value.text ?? "", base: entry })}>
                {m.keys.edit}
              </button>
            )}
            <button type="button" onClick={() => save(name, value.bytes)}>
              {m.keys.download}
            </button>
            <button type="button" class="danger" onClick={() => setDeleting(true)}>
              {m.keys.delete}
            </button>
          </>
        )}
      </Heading>
      {isGone && <Notice kind="warning">{m.keys.deleted}</Notice>}
      {entry.Session && <Locked session={entry.Session} dc={dc} />}
      {draft && !conflict && entry.ModifyIndex !== draft.base.ModifyIndex && !isGone && (
        <Notice kind="warning">
          {m.keys.changedBelow}{" "}
          <button type="button" onClick={() => setConflict(entry)}>
            {m.keys.showDifference}
          </button>
        </Notice>
      )}
      <div class="columns">
        <div>
          {conflict && draft ? (
            <Conflict
              base={decode(draft.base.Value).text ?? ""}
              theirs={decode(conflict.Value).text ?? ""}
              mine={draft.text}
              onMine={() => void write(draft.text, conflict.ModifyIndex, draft.base.Flags)}
              onTheirs={() => {
                setConflict(null);
                setDraft(null);
              }}
              onEdit={() => {
                setDraft({ text: draft.text, base: conflict });
                setConflict(null);
              }}
            />
          ) : draft ? (
            <Editor
              text={draft.text}
              label={m.keys.value}
              failure={failure}
              onInput={(text) => setDraft({ ...draft, text })}
              onSave={() => void write(draft.text, index, draft.base.Flags)}
              onCancel={() => setDraft(null)}
            />
          ) : value.text === null ? (
            <Binary value={value.bytes} failure={failure} onUpload={(bytes) => void write(bytes, index, entry.Flags)} />
          ) : value.text === "" ? (
            <p class="value quiet-text">{size(0)}</p>
          ) : (
            <pre class="value" tabIndex={0} aria-label={m.keys.value}>
              {value.text}
            </pre>
          )}
        </div>
        <aside aria-label="Facts">
          <Facts
            facts={[
              [m.keys.key, <Code text={key} what="key" />],
              [m.keys.syntax, value.text ? syntaxOf(value.text) : ""],
              [m.snapshots.size, m.keys.size(size(value.bytes.length), size(LIMIT))],
              [m.keys.facts.flags, String(entry.Flags)],
              [m.keys.facts.lock, String(entry.LockIndex)],
              [m.keys.facts.session, entry.Session ? <Code text={entry.Session} what="session" /> : ""],
              [m.keys.facts.created, String(entry.CreateIndex)],
              [m.keys.facts.modified, String(entry.ModifyIndex)],
            ]}
          />
        </aside>
      </div>
      {deleting && (
        <Confirm
          title={m.keys.delete}
          verb={m.keys.delete}
          onClose={() => setDeleting(false)}
          act={async () => {
            await remove(address(path, { cas: entry.ModifyIndex }));
            announce(m.keys.removed);
            go(paths.folder(dc, key.slice(0, key.lastIndexOf("/") + 1)));
          }}
        >
          <p>{m.keys.deleteText(key)}</p>
        </Confirm>
      )}
    </>
  );
}

async function current(path: string): Promise<KeyValue | null> {
  try {
    return (await get<KeyValue[]>(path)).data[0] ?? null;
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return null;
    throw error;
  }
}

function Locked({ session, dc }: { session: string; dc: string }) {
  const live = useLive<Session[]>(address(`/v1/session/info/${session}`, { dc: dcParameter(dc) }), { topics: ["sessions"], poll: 10_000 });
  const holder = live.data?.[0];
  return (
    <Notice kind="warning">
      {m.keys.locked(holder?.Name || session)}{" "}
      {holder && <a href={href(paths.node(dc, holder.Node, "lock-sessions"))}>{m.keys.lockedNode(holder.Name, holder.Node)}</a>}
    </Notice>
  );
}

function Binary({ value, failure, onUpload }: { value: Uint8Array; failure: string; onUpload: (bytes: Uint8Array<ArrayBuffer>) => void }) {
  return (
    <>
      <p class="hint">{m.keys.binary}</p>
      <pre class="value" tabIndex={0} aria-label={m.keys.value}>
        {hex(value)}
      </pre>
      <label class="field">
        <span>{m.keys.upload}</span>
        <input
          type="file"
          onChange={async (event) => {
            const file = event.currentTarget.files?.[0];
            if (file) onUpload(new Uint8Array(await file.arrayBuffer()));
          }}
        />
      </label>
      {failure && (
        <p class="invalid" role="alert">
          {failure}
        </p>
      )}
    </>
  );
}

export function CreateKey() {
  const { dc, names } = place.value;
  const prefix = names[0] ?? "";
  const [name, setName] = useState("");
  const [text, setText] = useState("");
  const [failure, setFailure] = useState("");
  const key = prefix + name;
  const create = async () => {
    if (!name) return setFailure(m.keys.nameMissing);
    const isFolder = key.endsWith("/");
    try {
      const won = await put<boolean>(address(`/v1/kv/${escapeKey(key)}`, { cas: 0, dc: dcParameter(dc) }), { text: isFolder ? "" : text });
      if (!won) return setFailure(m.keys.exists);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      return setFailure(error.text);
    }
    announce(m.keys.saved);
    go(isFolder ? paths.folder(dc, key) : paths.key(dc, key), { replace: true });
  };
  return (
    <>
      <Crumbs items={crumbsOf(dc, prefix)} />
      <Heading title={m.keys.createTitle} />
      <label class="field form">
        <span>
          {m.keys.name} {prefix && <code>{prefix}</code>}
        </span>
        <input value={name} required autocomplete="off" spellcheck={false} aria-describedby="name-hint" onInput={(event) => setName(event.currentTarget.value)} />
      </label>
      <p class="hint" id="name-hint">
        {m.keys.createHint}
      </p>
      {name.endsWith("/") ? (
        <>
          {failure && (
            <p class="invalid" role="alert">
              {failure}
            </p>
          )}
          <button type="button" class="primary" onClick={() => void create()}>
            {m.keys.save}
          </button>
        </>
      ) : (
        <Editor text={text} label={m.keys.value} failure={failure} onInput={setText} onSave={() => void create()} onCancel={() => go(paths.folder(dc, prefix))} />
      )}
    </>
  );
}

