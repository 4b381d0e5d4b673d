import { useState } from "preact/hooks";
import { address, ApiError, get, put, remove } from "../app/api";
import { dcParameter } from "../app/datacenter";
import { byText, type Sort } from "../app/list";
import { useLive } from "../app/live";
import { m } from "../app/messages";
import { place } from "../app/router";
import type { PreparedQuery } from "../app/types";
import { Confirm, Dialog } from "../parts/dialog";
import { Empty } from "../parts/feedback";
import { Icon } from "../parts/icons";
import { type Column, List } from "../parts/list";
import { announce } from "../parts/toast";

const SORTS: Sort<PreparedQuery>[] = [
  { key: "Name", title: m.queries.name, compare: (a, b) => byText(a.Name, b.Name) || byText(a.ID, b.ID) },
  { key: "Service", title: m.queries.service, compare: (a, b) => byText(a.Service.Service, b.Service.Service) },
];

const failover = (row: PreparedQuery) => {
  const { NearestN = 0, Datacenters } = row.Service.Failover ?? {};
  return [NearestN ? m.queries.nearest(NearestN) : "", ...(Datacenters ?? [])].filter(Boolean).join(", ");
};

/** A definition to begin with, and what of a query its owner may write. */
const BLANK = { Name: "", Service: { Service: "", OnlyPassing: true } };

export function Queries() {
  const { dc } = place.value;
  const parameter = { dc: dcParameter(dc) };
  const live = useLive<PreparedQuery[]>(address("/v1/query", parameter), { topics: ["queries"] });
  const [editing, setEditing] = useState<PreparedQuery | "new" | null>(null);
  const [deleting, setDeleting] = useState<PreparedQuery | null>(null);
  const [shown, setShown] = useState<{ title: string; text: string } | null>(null);
  const run = async (row: PreparedQuery, what: "execute" | "explain") => {
    let text: string;
    try {
      const { data } = await get<unknown>(address(`/v1/query/${encodeURIComponent(row.ID)}/${what}`, parameter));
      text = JSON.stringify(data, null, 2);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      text = error.text;
    }
    setShown({ title: `${m.queries[what]} ${row.Name || row.ID}`, text });
  };
  const columns: Column<PreparedQuery>[] = [
    {
      key: "Name",
      title: m.queries.name,
      kind: "name",
      cell: (row) => (
        <>
          <button type="button" class="link" onClick={() => setEditing(row)}>
            {row.Name || row.ID}
          </button>
          {row.Template?.Type && <span class="kind">{m.queries.template}</span>}
          <small class="sub">{row.Service.Service}</small>
        </>
      ),
    },
    { key: "Service", title: m.queries.service, kind: "quiet", width: "20%", cell: (row) => row.Service.Service },
    { key: "Failover", title: m.queries.failover, kind: "quiet", width: "18%", cell: failover },
    { key: "TTL", title: m.queries.ttl, kind: "number quiet", width: "5rem", cell: (row) => row.DNS?.TTL || "–" },
    {
      key: "act",
      title: m.list.actions,
      width: "15rem",
      cell: (row) => (
        <span class="actions">
          <button type="button" class="quiet" aria-label={`${m.queries.execute} ${row.Name || row.ID}`} onClick={() => void run(row, "execute")}>
            {m.queries.execute}
          </button>
          <button type="button" class="quiet" aria-label={`${m.queries.explain} ${row.Name || row.ID}`} onClick={() => void run(row, "explain")}>
            {m.queries.explain}
          </button>
          <button type="button" class="quiet" aria-label={`${m.queries.delete} ${row.Name || row.ID}`} onClick={() => setDeleting(row)}>
            <Icon name="cross" />
          </button>
        </span>
      ),
    },
  ];
  return (
    <>
      <List
        title={m.queries.title}
        live={live}
        rows={live.data}
        id={(row) => row.ID}
        text={(row) => `${row.Name} ${row.ID} ${row.Service.Service}`}
        columns={columns}
        sorts={SORTS}
        actions={
          <button type="button" class="primary" onClick={() => setEditing("new")}>
            {m.queries.create}
          </button>
        }
        empty={<Empty title={m.empty.queries} text={m.empty.queriesText} />}
      />
      {editing && <Definition query={editing} dc={parameter.dc} onClose={() => setEditing(null)} onDone={live.refresh} />}
      {shown && (
        <Dialog wide title={shown.title} onClose={() => setShown(null)}>
          <pre class="value" tabIndex={0} aria-label={m.queries.result}>
            {shown.text}
          </pre>
          <div class="buttons">
            <button type="button" data-first onClick={() => setShown(null)}>
              {m.help.close}
            </button>
          </div>
        </Dialog>
      )}
      {deleting && (
        <Confirm
          title={m.queries.delete}
          verb={m.queries.delete}
          onClose={() => setDeleting(null)}
          act={async () => {
            await remove(address(`/v1/query/${deleting.ID}`, parameter));
            live.refresh();
          }}
        >
          <p>{m.queries.deleteText(deleting.Name || deleting.ID)}</p>
        </Confirm>
      )}
    </>
  );
}

interface DefinitionProps {
  query: PreparedQuery | "new";
  dc: string | undefined;
  onClose: () => void;
  onDone: () => void;
}

function Definition({ query, dc, onClose, onDone }: DefinitionProps) {
  const isNew = query === "new";
  const [text, setText] = useState(() => JSON.stringify(isNew ? BLANK : query, null, 2));
  const [failure, setFailure] = useState("");
  const submit = async (event: Event) => {
    event.preventDefault();
    let body: unknown;
    try {
      body = JSON.parse(text);
    } catch (error) {
      setFailure(error instanceof Error ? error.message : "");
      return;
    }
    try {
      await put(address(isNew ? "/v1/query" : `/v1/query/${query.ID}`, { dc }), { method: isNew ? "POST" : "PUT", body });
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      setFailure(error.text);
      return;
    }
    announce(m.keys.saved);
    onDone();
    onClose();
  };
  return (
    <Dialog wide title={isNew ? m.queries.create : m.queries.edit} onClose={onClose}>
      <form onSubmit={submit}>
        <label class="field">
          <span>{m.queries.json}</span>
          <textarea data-first value={text} spellcheck={false} onInput={(event) => setText(event.currentTarget.value)} />
        </label>
        {failure && (
          <p class="invalid" role="alert">
            {failure}
          </p>
        )}
        <div class="buttons">
          <button type="button" onClick={onClose}>
            {m.confirm.cancel}
          </button>
          <button type="submit" class="primary">
            {m.queries.save}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
