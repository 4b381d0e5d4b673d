import { useState } from "preact/hooks";
import { address, ApiError, put } from "../app/api";
import { dcParameter } from "../app/datacenter";
import { byText, type Sort } from "../app/list";
import { useLive } from "../app/live";
import { m } from "../app/messages";
import { place } from "../app/router";
import type { UserEvent } from "../app/types";
import { decode, hex } from "../app/values";
import { Dialog } from "../parts/dialog";
import { Empty } from "../parts/feedback";
import { type Column, List } from "../parts/list";
import { Code } from "../parts/small";
import { announce } from "../parts/toast";

const SORTS: Sort<UserEvent>[] = [
  { key: "LTime", title: m.events.time, compare: (a, b) => b.LTime - a.LTime },
  { key: "Name", title: m.events.name, compare: (a, b) => byText(a.Name, b.Name) || b.LTime - a.LTime },
];

const payload = (row: UserEvent) => {
  const value = decode(row.Payload);
  return value.text ?? hex(value.bytes, 64);
};
const filters = (row: UserEvent) => [row.NodeFilter, row.ServiceFilter, row.TagFilter].filter(Boolean).join(", ") || m.events.everybody;

export function Events() {
  const { dc } = place.value;
  const live = useLive<UserEvent[]>("/v1/event/list", { topics: [], poll: 2000 });
  const [isFiring, setFiring] = useState(false);
  const columns: Column<UserEvent>[] = [
    {
      key: "Name",
      title: m.events.name,
      kind: "name",
      cell: (row) => (
        <>
          <strong>{row.Name}</strong>
          <small class="sub">{payload(row)}</small>
        </>
      ),
    },
    { key: "Payload", title: m.events.payload, kind: "quiet", width: "34%", cell: (row) => <code title={payload(row)}>{payload(row)}</code> },
    { key: "For", title: m.events.filters, kind: "quiet", width: "16%", cell: filters },
    { key: "LTime", title: m.events.time, kind: "number", width: "8rem", cell: (row) => row.LTime },
    { key: "ID", title: m.sessions.id, kind: "wide", width: "24%", cell: (row) => <Code text={row.ID} what="ID" /> },
  ];
  return (
    <>
      <List
        title={m.events.title}
        live={live}
        rows={live.data}
        id={(row) => row.ID}
        text={(row) => `${row.Name} ${payload(row)}`}
        columns={columns}
        sorts={SORTS}
        actions={
          <button type="button" class="primary" onClick={() => setFiring(true)}>
            {m.events.fire}
          </button>
        }
        empty={<Empty title={m.empty.events} text={m.empty.eventsText} command={m.empty.eventsCommand} />}
      />
      {isFiring && <Fire dc={dc} onClose={() => setFiring(false)} onDone={live.refresh} />}
    </>
  );
}

function Fire({ dc, onClose, onDone }: { dc: string; onClose: () => void; onDone: () => void }) {
  const [fields, setFields] = useState({ name: "", payload: "", node: "", service: "" });
  const [failure, setFailure] = useState("");
  const submit = async (event: Event) => {
    event.preventDefault();
    const { name, node, service } = fields;
    try {
      await put(address(`/v1/event/fire/${encodeURIComponent(name)}`, { node, service, dc: dcParameter(dc) }), { text: fields.payload });
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      setFailure(error.text);
      return;
    }
    announce(m.events.fired);
    onDone();
    onClose();
  };
  return (
    <Dialog title={m.events.fire} onClose={onClose}>
      <form onSubmit={submit}>
        {(["name", "payload", "node", "service"] as const).map((key) => (
          <label key={key} class="field">
            <span>{m.events[key]}</span>
            <input
              value={fields[key]}
              required={key === "name"}
              data-first={key === "name" ? "" : undefined}
              autocomplete="off"
              onInput={(event) => setFields({ ...fields, [key]: event.currentTarget.value })}
            />
          </label>
        ))}
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
            {m.events.fire}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
