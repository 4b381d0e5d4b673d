import { useMemo } from "preact/hooks";
import { paths } from "../app/addresses";
import { address } from "../app/api";
import { dcParameter } from "../app/datacenter";
import { reason, severity, worstOfCounts } from "../app/health";
import { byText, type Facet, type Sort } from "../app/list";
import { useLive } from "../app/live";
import { m } from "../app/messages";
import { href, place } from "../app/router";
import type { Check, ServiceSummary } from "../app/types";
import { Empty } from "../parts/feedback";
import { StatusBadge } from "../parts/icons";
import { type Column, List } from "../parts/list";
import { Tags } from "../parts/small";

type Row = ServiceSummary & { why: string };

const byStatus = (a: Row, b: Row) => severity(worstOfCounts(a)) - severity(worstOfCounts(b)) || byText(a.Name, b.Name);

const SORTS: Sort<Row>[] = [
  { key: "Status", title: m.services.status, compare: byStatus },
  { key: "Name", title: m.services.name, compare: (a, b) => byText(a.Name, b.Name) },
  { key: "InstanceCount", title: m.services.instances, compare: (a, b) => a.InstanceCount - b.InstanceCount || byText(a.Name, b.Name) },
];

const FACETS: Facet<Row>[] = [
  { key: "status", title: m.services.status, values: (row) => [m.status[worstOfCounts(row)]] },
  { key: "kind", title: m.services.kind, values: (row) => [row.Kind || "service"] },
  { key: "source", title: m.services.source, values: (row) => row.ExternalSources ?? [] },
];

export function Services() {
  const { dc } = place.value;
  const query = { dc: dcParameter(dc) };
  const live = useLive<ServiceSummary[]>(address("/v1/internal/ui/services", query), { topics: ["services", "checks"] });
  const failing = useLive<Check[]>(address("/v1/health/state/any?filter=Status!=passing", query), { topics: ["checks"] });
  const rows = useMemo(() => live.data && explained(live.data, failing.data ?? []), [live.data, failing.data]);
  const columns: Column<Row>[] = [
    { key: "Status", title: m.services.status, kind: "state", cell: (row) => <StatusBadge status={worstOfCounts(row)} /> },
    {
      key: "Name",
      title: m.services.name,
      kind: "name",
      cell: (row) => (
        <>
          <a href={href(paths.service(dc, row.Name))}>{row.Name}</a>
          {row.Kind && <span class="kind">{row.Kind.replaceAll("-", " ")}</span>}
          {row.why && <small class="sub">{row.why}</small>}
        </>
      ),
    },
    { key: "why", title: m.services.reason, kind: "quiet", width: "32%", cell: (row) => <span title={row.why}>{row.why}</span> },
    { key: "InstanceCount", title: m.services.instances, kind: "number", width: "6.5rem", cell: (row) => row.InstanceCount },
    { key: "Nodes", title: m.services.nodes, kind: "number quiet", width: "5rem", cell: (row) => row.Nodes?.length ?? 0 },
    { key: "Tags", title: m.services.tags, kind: "quiet", width: "16%", cell: (row) => <Tags tags={row.Tags} /> },
  ];
  return (
    <List
      title={m.services.title}
      live={live}
      rows={rows}
      id={(row) => row.Name}
      text={(row) => `${row.Name} ${(row.Tags ?? []).join(" ")}`}
      columns={columns}
      facets={FACETS}
      sorts={SORTS}
      status={worstOfCounts}
      essence={({ why: _, ...row }) => row}
      empty={<Empty title={m.empty.services} text={m.empty.servicesText} command={m.empty.servicesCommand} />}
    />
  );
}

/** Each service with the reason of its status: its own failing checks first, then those of its nodes. */
function explained(services: ServiceSummary[], failing: Check[]): Row[] {
  const ofService = new Map<string, Check[]>();
  const ofNode = new Map<string, Check[]>();
  for (const check of failing) {
    const [map, key] = check.ServiceName ? [ofService, check.ServiceName] : [ofNode, check.Node];
    map.set(key, [...(map.get(key) ?? []), check]);
  }
  return services.map((row) => {
    const own = ofService.get(row.Name) ?? [];
    const nodes = (row.Nodes ?? []).flatMap((node) => (ofNode.get(node) ?? []).map((check) => ({ ...check, Name: `${check.Name} on ${node}` })));
    return { ...row, why: reason([...own, ...nodes]) };
  });
}
