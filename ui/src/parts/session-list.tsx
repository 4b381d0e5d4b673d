import { useState } from "preact/hooks";
import { paths } from "../app/addresses";
import { address, put } from "../app/api";
import { dcParameter } from "../app/datacenter";
import { byText, type Facet, type Sort } from "../app/list";
import { useLive } from "../app/live";
import { m } from "../app/messages";
import { href, place } from "../app/router";
import { nanoseconds } from "../app/time";
import type { Session } from "../app/types";
import { Confirm } from "./dialog";
import { Empty } from "./feedback";
import { Icon } from "./icons";
import { type Column, List } from "./list";
import { Code } from "./small";

const SORTS: Sort<Session>[] = [
  { key: "Name", title: m.sessions.name, compare: (a, b) => byText(a.Name, b.Name) || byText(a.ID, b.ID) },
  { key: "Node", title: m.sessions.node, compare: (a, b) => byText(a.Node, b.Node) || byText(a.ID, b.ID) },
];
const FACETS: Facet<Session>[] = [{ key: "behavior", title: m.sessions.behavior, values: (row) => [row.Behavior] }];

const checksOf = (row: Session) => [...(row.NodeChecks ?? []), ...(row.ServiceChecks ?? []).map((one) => one.ID)];

/** Sessions, of the datacenter or of one node. */
export function SessionList({ path, isPart }: { path: string; isPart?: boolean }) {
  const { dc } = place.value;
  const live = useLive<Session[]>(path, { topics: ["sessions"] });
  const [ending, setEnding] = useState<Session | null>(null);
  const columns: Column<Session>[] = [
    {
      key: "Name",
      title: m.sessions.name,
      kind: "name",
      cell: (row) => (
        <>
          <strong>{row.Name || m.sessions.unnamed}</strong>
          <small class="sub">
            {row.ID} {row.Node}
          </small>
        </>
      ),
    },
    { key: "ID", title: m.sessions.id, kind: isPart ? "wide" : "quiet", width: isPart ? "28%" : "24%", cell: (row) => <Code text={row.ID} what="ID" /> },
    ...(isPart ? [] : [{ key: "Node", title: m.sessions.node, kind: "quiet", width: "9rem", cell: (row) => <a href={href(paths.node(dc, row.Node, "lock-sessions"))}>{row.Node}</a> } satisfies Column<Session>]),
    { key: "Behavior", title: m.sessions.behavior, width: "6.5rem", cell: (row) => row.Behavior },
    { key: "Delay", title: m.sessions.delay, kind: "number quiet", width: "6.5rem", cell: (row) => nanoseconds(row.LockDelay) },
    { key: "TTL", title: m.sessions.ttl, kind: "number quiet", width: "5rem", cell: (row) => row.TTL || "–" },
    ...(isPart ? [] : [{ key: "Checks", title: m.sessions.checks, kind: "quiet", width: "14%", cell: (row) => checksOf(row).join(", ") } satisfies Column<Session>]),
    {
      key: "act",
      title: m.list.actions,
      width: "3.5rem",
      cell: (row) => (
        <span class="actions">
          <button type="button" class="quiet" aria-label={`${m.sessions.invalidate} ${row.Name || row.ID}`} title={m.sessions.invalidate} onClick={() => setEnding(row)}>
            <Icon name="cross" />
          </button>
        </span>
      ),
    },
  ];
  return (
    <>
      <List
        isPart={isPart}
        title={m.sessions.title}
        live={live}
        rows={live.data}
        id={(row) => row.ID}
        text={(row) => `${row.Name} ${row.ID} ${row.Node}`}
        columns={columns}
        facets={FACETS}
        sorts={SORTS}
        empty={<Empty title={m.empty.sessions} text={m.empty.sessionsText} command={m.empty.sessionsCommand} />}
      />
      {ending && (
        <Confirm
          title={m.sessions.invalidate}
          verb={m.sessions.invalidate}
          onClose={() => setEnding(null)}
          act={async () => {
            await put(address(`/v1/session/destroy/${ending.ID}`, { dc: dcParameter(dc) }));
            live.refresh();
          }}
        >
          <p>{m.sessions.invalidateText(ending.Name || ending.ID, ending.Behavior)}</p>
        </Confirm>
      )}
    </>
  );
}
