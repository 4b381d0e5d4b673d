import { byText, type Facet, type Sort } from "../app/list";
import { useLive } from "../app/live";
import { paths } from "../app/addresses";
import type { Status } from "../app/health";
import { m } from "../app/messages";
import { href, place } from "../app/router";
import type { Member } from "../app/types";
import { Empty } from "../parts/feedback";
import { StatusBadge } from "../parts/icons";
import { type Column, List } from "../parts/list";
import { Code } from "../parts/small";

const STATUS: Status[] = ["unknown", "passing", "warning", "unknown", "critical"];
const statusOf = (row: Member): Status => STATUS[row.Status] ?? "unknown";
const word = (row: Member) => m.members.statuses[row.Status] ?? String(row.Status);
const role = (row: Member) => (row.Tags["role"] === "consul" ? m.nodes.server : m.nodes.client);
const build = (row: Member) => (row.Tags["build"] ?? "").split(":")[0] ?? "";
const byName = (a: Member, b: Member) => byText(a.Name, b.Name);

const SORTS: Sort<Member>[] = [
  { key: "Name", title: m.members.name, compare: byName },
  { key: "Status", title: m.members.status, compare: (a, b) => b.Status - a.Status || byName(a, b) },
];
const FACETS: Facet<Member>[] = [
  { key: "status", title: m.members.status, values: (row) => [word(row)] },
  { key: "kind", title: m.members.role, values: (row) => [role(row)] },
  { key: "version", title: m.members.version, values: (row) => [build(row)] },
];

export function Members() {
  const { dc } = place.value;
  const live = useLive<Member[]>("/v1/agent/members", { topics: [], poll: 3000 });
  const columns: Column<Member>[] = [
    { key: "Status", title: m.members.status, kind: "state", cell: (row) => <StatusBadge status={statusOf(row)} label={word(row)} /> },
    {
      key: "Name",
      title: m.members.name,
      kind: "name",
      cell: (row) => (
        <>
          <a href={href(paths.node(dc, row.Name))}>{row.Name}</a>
          <small class="sub">
            {row.Addr}:{row.Port} {role(row)}
          </small>
        </>
      ),
    },
    { key: "Address", title: m.members.address, kind: "quiet", width: "14rem", cell: (row) => <Code text={`${row.Addr}:${row.Port}`} what="address" /> },
    { key: "Role", title: m.members.role, kind: "quiet", width: "6rem", cell: role },
    { key: "Build", title: m.members.version, kind: "quiet", width: "6rem", cell: build },
    { key: "Protocol", title: m.members.protocol, kind: "wide", width: "7rem", cell: (row) => `${row.ProtocolCur} (${row.ProtocolMin}–${row.ProtocolMax})` },
    {
      key: "Tags",
      title: m.members.tags,
      kind: "wide",
      width: "26%",
      cell: (row) => {
        const text = Object.entries(row.Tags)
          .map(([key, value]) => `${key}=${value}`)
          .join(" ");
        return <code title={text}>{text}</code>;
      },
    },
  ];
  return (
    <List
      title={m.members.title}
      live={live}
      rows={live.data}
      id={(row) => row.Name}
      text={(row) => `${row.Name} ${row.Addr} ${role(row)} ${build(row)}`}
      columns={columns}
      facets={FACETS}
      sorts={SORTS}
      status={statusOf}
      empty={<Empty title={m.empty.members} text={m.empty.membersText} />}
    />
  );
}
