import { useMemo } from "preact/hooks";
import { paths } from "../app/addresses";
import { address } from "../app/api";
import { dcParameter } from "../app/datacenter";
import { distance, milliseconds } from "../app/distance";
import { reason, severity, worstOfChecks } from "../app/health";
import { byText, type Facet, type Sort } from "../app/list";
import { useLive } from "../app/live";
import { m } from "../app/messages";
import { href, place } from "../app/router";
import type { AgentSelf, Member, NodeCoordinate, NodeInfo } from "../app/types";
import { Empty } from "../parts/feedback";
import { StatusBadge } from "../parts/icons";
import { type Column, List } from "../parts/list";
import { Code } from "../parts/small";

interface Row {
  info: NodeInfo;
  member: string;
  role: string;
  version: string;
  rtt: number | null;
}

const status = (row: Row) => worstOfChecks(row.info.Checks);
const byName = (a: Row, b: Row) => byText(a.info.Node, b.info.Node);

const SORTS: Sort<Row>[] = [
  { key: "Status", title: m.services.status, compare: (a, b) => severity(status(a)) - severity(status(b)) || byName(a, b) },
  { key: "Name", title: m.nodes.name, compare: byName },
  { key: "Services", title: m.nodes.services, compare: (a, b) => (a.info.Services?.length ?? 0) - (b.info.Services?.length ?? 0) || byName(a, b) },
  { key: "Rtt", title: m.nodes.rtt, compare: (a, b) => (a.rtt ?? Infinity) - (b.rtt ?? Infinity) || byName(a, b) },
];

const FACETS: Facet<Row>[] = [
  { key: "status", title: m.services.status, values: (row) => [m.status[status(row)]] },
  { key: "member", title: m.nodes.member, values: (row) => [row.member] },
  { key: "version", title: m.nodes.version, values: (row) => (row.version ? [row.version] : []) },
];

export function Nodes() {
  const { dc } = place.value;
  const parameter = { dc: dcParameter(dc) };
  const live = useLive<NodeInfo[]>(address("/v1/internal/ui/nodes", parameter), { topics: ["nodes", "services", "checks"] });
  const members = useLive<Member[]>("/v1/agent/members", { topics: [], poll: 10_000 });
  const leader = useLive<string>(address("/v1/status/leader", parameter), { topics: [], poll: 10_000 });
  const coordinates = useLive<NodeCoordinate[]>(address("/v1/coordinate/nodes", parameter), { topics: [], poll: 20_000 });
  const self = useLive<AgentSelf>("/v1/agent/self", { topics: [], poll: 60_000 });
  const rows = useMemo(
    () => live.data && joined(live.data, members.data ?? [], leader.data ?? "", coordinates.data ?? [], self.data?.Config.NodeName ?? ""),
    [live.data, members.data, leader.data, coordinates.data, self.data],
  );
  const columns: Column<Row>[] = [
    { key: "Status", title: m.services.status, kind: "state", cell: (row) => <StatusBadge status={status(row)} /> },
    {
      key: "Name",
      title: m.nodes.name,
      kind: "name",
      cell: (row) => (
        <>
          <a href={href(paths.node(dc, row.info.Node))}>{row.info.Node}</a>
          <small class="sub">
            {row.info.Address} {reason(row.info.Checks)}
          </small>
        </>
      ),
    },
    { key: "why", title: m.services.reason, kind: "wide", width: "24%", cell: (row) => <span title={reason(row.info.Checks)}>{reason(row.info.Checks)}</span> },
    { key: "Address", title: m.nodes.address, kind: "quiet", width: "11rem", cell: (row) => <Code text={row.info.Address} what="address" /> },
    { key: "Role", title: m.nodes.role, kind: "quiet", width: "7rem", cell: (row) => row.role },
    { key: "Version", title: m.nodes.version, kind: "wide", width: "6rem", cell: (row) => row.version },
    { key: "Services", title: m.nodes.services, kind: "number", width: "6rem", cell: (row) => row.info.Services?.length ?? 0 },
    { key: "Rtt", title: m.nodes.rtt, kind: "number quiet", width: "7rem", cell: (row) => (row.rtt === null ? "" : milliseconds(row.rtt)) },
  ];
  return (
    <List
      title={m.nodes.title}
      live={live}
      rows={rows}
      id={(row) => row.info.Node}
      text={(row) => `${row.info.Node} ${row.info.Address} ${Object.entries(row.info.Meta ?? {}).flat().join(" ")}`}
      columns={columns}
      facets={FACETS}
      sorts={SORTS}
      status={status}
      essence={(row) => row.info}
      empty={<Empty title={m.empty.nodes} text={m.empty.nodesText} command={m.empty.nodesCommand} />}
    />
  );
}

function joined(nodes: NodeInfo[], members: Member[], leader: string, coordinates: NodeCoordinate[], self: string): Row[] {
  const ofMember = new Map(members.map((one) => [one.Name, one]));
  const ofNode = new Map(coordinates.map((one) => [one.Node, one.Coord]));
  const here = ofNode.get(self);
  return nodes.map((info) => {
    const member = ofMember.get(info.Node);
    const there = ofNode.get(info.Node);
    const isServer = member?.Tags["role"] === "consul";
    const isLeader = isServer && leader.startsWith(`${info.Address}:`) && leader.endsWith(`:${member?.Tags["port"] ?? ""}`);
    return {
      info,
      member: member ? (m.members.statuses[member.Status] ?? "") : m.nodes.external,
      role: !member ? m.nodes.external : isLeader ? m.nodes.leader : isServer ? m.nodes.server : m.nodes.client,
      version: (member?.Tags["build"] ?? "").split(":")[0] ?? "",
      rtt: here && there && info.Node !== self ? distance(here, there) : null,
    };
  });
}
