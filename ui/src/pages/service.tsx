import { useState } from "preact/hooks";
import { paths } from "../app/addresses";
import { address, put } from "../app/api";
import { dcParameter } from "../app/datacenter";
import { reason, severity, worst, worstOfChecks } from "../app/health";
import { byText, type Facet, type Sort } from "../app/list";
import { type Live, useLive } from "../app/live";
import { m } from "../app/messages";
import { preferences } from "../app/preferences";
import { backTo, href, place } from "../app/router";
import { useLast } from "../parts/last";
import type { Instance } from "../app/types";
import { Confirm } from "../parts/dialog";
import { Empty, Failure, Loading } from "../parts/feedback";
import { Icon, StatusBadge } from "../parts/icons";
import { type Column, List } from "../parts/list";
import { Routing } from "../parts/routing";
import { Code, Copy, Crumbs, Heading, Notice, Tabs, Tags } from "../parts/small";

type TabName = keyof typeof m.services.tabs;

const id = (row: Instance) => `${row.Node.Node}/${row.Service.ID}`;
const statusOfInstance = (row: Instance) => worstOfChecks(row.Checks);

export const addressOf = (row: Instance) => {
  const host = row.Service.Address || row.Node.Address;
  return row.Service.Port ? `${host.includes(":") ? `[${host}]` : host}:${row.Service.Port}` : host;
};

const SORTS: Sort<Instance>[] = [
  {
    key: "Status",
    title: m.services.status,
    compare: (a, b) => severity(statusOfInstance(a)) - severity(statusOfInstance(b)) || byText(a.Service.ID, b.Service.ID),
  },
  { key: "Name", title: m.instance.id, compare: (a, b) => byText(a.Service.ID, b.Service.ID) },
  { key: "Node", title: m.instance.node, compare: (a, b) => byText(a.Node.Node, b.Node.Node) },
];

const FACETS: Facet<Instance>[] = [
  { key: "status", title: m.services.status, values: (row) => [m.status[statusOfInstance(row)]] },
  { key: "tag", title: m.services.tags, values: (row) => row.Service.Tags ?? [] },
];

export function ServicePage() {
  const { dc, names, tab } = place.value;
  const name = names[0] ?? "";
  const live = useLive<Instance[]>(address(`/v1/health/service/${encodeURIComponent(name)}`, { dc: dcParameter(dc) }), {
    topics: ["services", "checks"],
  });
  const shown = useLast(live.data?.length ? live.data : undefined);
  const isGone = live.data?.length === 0;
  const rows = live.data?.length ? live.data : shown;
  const chain = useLive<unknown>(address(`/v1/discovery-chain/${encodeURIComponent(name)}`, { dc: dcParameter(dc) }), { topics: [], poll: 60_000 });
  const tabs: [TabName, string, string, number?][] = [
    ["instances", m.services.tabs.instances, href(paths.service(dc, name)), rows?.length],
    ["tags", m.services.tabs.tags, href(paths.service(dc, name, "tags"))],
  ];
  if (chain.data && !chain.error) tabs.push(["routing", m.services.tabs.routing, href(paths.service(dc, name, "routing"))]);
  const dashboard = preferences.value.dashboard;
  return (
    <>
      <Crumbs items={[[m.services.title, backTo(paths.section(dc, "services"))]]} />
      <Heading title={name}>
        {rows && <StatusBadge status={worst(rows.map(statusOfInstance))} />}
        {/^https?:/.test(dashboard) && (
          <a href={dashboard.replaceAll("{{Service.Name}}", encodeURIComponent(name))} rel="noopener noreferrer" target="_blank">
            {m.services.dashboard} <Icon name="link" />
          </a>
        )}
      </Heading>
      {isGone && rows && <Notice kind="warning">{m.services.goneText}</Notice>}
      <Tabs label={name} current={tab || "instances"} tabs={tabs} />
      {!rows &&
        (live.error ? (
          <Failure error={live.error} retry={live.refresh} />
        ) : isGone ? (
          <Empty title={m.empty.instances} text={m.empty.instancesText} command={m.empty.servicesCommand} />
        ) : (
          <Loading />
        ))}
      {rows && tab === "tags" && <TagList rows={rows} />}
      {rows && tab === "routing" && <Routing chain={chain.data} />}
      {rows && (tab === "" || tab === "instances") && <Instances rows={rows} live={live} dc={dc} name={name} />}
    </>
  );
}

function Instances({ rows, live, dc, name }: { rows: Instance[]; live: Live<Instance[]>; dc: string; name: string }) {
  const [leaving, setLeaving] = useState<Instance | null>(null);
  const columns: Column<Instance>[] = [
    { key: "Status", title: m.services.status, kind: "state", cell: (row) => <StatusBadge status={statusOfInstance(row)} /> },
    {
      key: "Name",
      title: m.instance.id,
      kind: "name",
      width: "24%",
      cell: (row) => (
        <>
          <a href={href(paths.instance(dc, name, row.Node.Node, row.Service.ID))}>{row.Service.ID}</a>
          <small class="sub">
            {row.Node.Node} {addressOf(row)} {reason(row.Checks)}
          </small>
        </>
      ),
    },
    { key: "why", title: m.services.reason, kind: "quiet", cell: (row) => <span title={reason(row.Checks)}>{reason(row.Checks)}</span> },
    { key: "Node", title: m.instance.node, kind: "quiet", width: "9rem", cell: (row) => <a href={href(paths.node(dc, row.Node.Node))}>{row.Node.Node}</a> },
    { key: "Address", title: m.instance.address, kind: "quiet", width: "13rem", cell: (row) => <Code text={addressOf(row)} what="address" /> },
    { key: "Tags", title: m.services.tags, kind: "wide", width: "12%", cell: (row) => <Tags tags={row.Service.Tags} /> },
    {
      key: "act",
      title: m.list.actions,
      kind: "quiet",
      width: "3.5rem",
      cell: (row) => (
        <span class="actions">
          <button type="button" class="quiet" aria-label={`${m.services.deregister} ${row.Service.ID}`} title={m.services.deregister} onClick={() => setLeaving(row)}>
            <Icon name="cross" />
          </button>
        </span>
      ),
    },
  ];
  return (
    <>
      <List
        isPart
        title={m.services.instances}
        live={live}
        rows={rows}
        id={id}
        text={(row) => `${row.Service.ID} ${row.Node.Node} ${addressOf(row)} ${(row.Service.Tags ?? []).join(" ")}`}
        columns={columns}
        facets={FACETS}
        sorts={SORTS}
        status={statusOfInstance}
        empty={null}
      />
      {leaving && (
        <Confirm
          title={m.services.deregister}
          verb={m.services.deregister}
          onClose={() => setLeaving(null)}
          act={async () => {
            await put(address("/v1/catalog/deregister", { dc: dcParameter(dc) }), { body: { Node: leaving.Node.Node, ServiceID: leaving.Service.ID, Datacenter: dc } });
            live.refresh();
          }}
        >
          <p>{m.services.deregisterText(leaving.Service.ID, leaving.Node.Node)}</p>
          <p class="command">
            <code>{`muster services deregister -id=${leaving.Service.ID}`}</code>
            <Copy text={`muster services deregister -id=${leaving.Service.ID}`} what="command" />
          </p>
        </Confirm>
      )}
    </>
  );
}

function TagList({ rows }: { rows: Instance[] }) {
  const found = new Map<string, number>();
  for (const row of rows) for (const tag of row.Service.Tags ?? []) found.set(tag, (found.get(tag) ?? 0) + 1);
  if (found.size === 0) return <Empty title={m.empty.tags} text={m.empty.tagsText} />;
  return (
    <ul class="plain">
      {[...found]
        .sort(([a], [b]) => byText(a, b))
        .map(([tag, count]) => (
          <li key={tag}>
            <code>{tag}</code> <Copy text={tag} what="tag" /> <span class="quiet-text">{m.plural(count, "instance")}</span>
          </li>
        ))}
    </ul>
  );
}

