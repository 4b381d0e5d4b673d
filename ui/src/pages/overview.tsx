import { useState } from "preact/hooks";
import { paths } from "../app/addresses";
import { address, remove } from "../app/api";
import { dcParameter } from "../app/datacenter";
import { worstOfChecks, worstOfCounts, type Status } from "../app/health";
import { useLive } from "../app/live";
import { m } from "../app/messages";
import { href, place } from "../app/router";
import type { AutopilotHealth, NodeInfo, RaftConfiguration, ServiceSummary } from "../app/types";
import { Confirm } from "../parts/dialog";
import { Failure, Loading } from "../parts/feedback";
import { StatusBadge } from "../parts/icons";
import { Heading, Notice, Tabs, Time } from "../parts/small";

export function Overview() {
  const { dc, tab } = place.value;
  const shown = tab === "catalog-health" ? "catalog-health" : "server-status";
  return (
    <>
      <Heading title={m.overview.title} />
      <Tabs
        label={m.overview.title}
        current={shown}
        tabs={(["server-status", "catalog-health"] as const).map((one) => [one, m.overview.tabs[one], href(paths.section(dc, `overview/${one}`))])}
      />
      {shown === "server-status" ? <Servers dc={dc} /> : <CatalogHealth dc={dc} />}
    </>
  );
}

function Servers({ dc }: { dc: string }) {
  const parameter = { dc: dcParameter(dc) };
  // 429 with the whole body stands for a cluster that is not healthy
  const health = useLive<AutopilotHealth>(address("/v1/operator/autopilot/health", parameter), { topics: [], poll: 3000, accept: [429] });
  const raft = useLive<RaftConfiguration>(address("/v1/operator/raft/configuration", parameter), { topics: [], poll: 5000 });
  const [removing, setRemoving] = useState<RaftConfiguration["Servers"][number] | null>(null);
  if (!health.data) {
    return health.error && !raft.data ? <Failure error={health.error} retry={health.refresh} /> : raft.data ? <RaftOnly raft={raft.data} /> : <Loading />;
  }
  const { Healthy, FailureTolerance, Servers } = health.data;
  const voters = (raft.data?.Servers ?? []).filter((one) => one.Voter).length;
  const missing = (Servers ?? []).filter((one) => one.Voter && one.SerfStatus === "failed").map((one) => one.Name);
  return (
    <>
      {missing.length > 0 && <Notice kind="critical">{m.shell.lostQuorum(missing.join(", "))}</Notice>}
      <dl class="figures">
        <div>
          <dt>{m.overview.state}</dt>
          <dd>
            <StatusBadge status={Healthy ? "passing" : "critical"} label={Healthy ? m.overview.healthy : m.overview.unhealthy} />
          </dd>
        </div>
        <div>
          <dt>{m.overview.toleranceTitle}</dt>
          <dd>{m.overview.tolerance(FailureTolerance)}</dd>
        </div>
      </dl>
      <table>
        <caption class="visually-hidden">{m.overview.tabs["server-status"]}</caption>
        <thead>
          <tr>
            <th scope="col" class="state">
              {m.overview.state}
            </th>
            <th scope="col">{m.overview.server}</th>
            <th scope="col">{m.overview.role}</th>
            <th scope="col" class="quiet">
              {m.overview.contact}
            </th>
            <th scope="col" class="number quiet">
              {m.overview.index}
            </th>
            <th scope="col" class="wide">
              {m.overview.stable}
            </th>
            <th scope="col" class="wide">
              {m.overview.version}
            </th>
            <th scope="col">
              <span class="visually-hidden">{m.list.actions}</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {(Servers ?? []).map((one) => {
            const peer = raft.data?.Servers.find((server) => server.ID === one.ID);
            return (
              <tr key={one.ID}>
                <td class="state">
                  <StatusBadge status={one.Healthy ? "passing" : "critical"} />
                </td>
                <th scope="row" class="name">
                  <a href={href(paths.node(dc, one.Name))}>{one.Name}</a>
                </th>
                <td>{one.Leader ? m.overview.leader : one.Voter ? m.overview.voter : m.overview.nonVoter}</td>
                <td class="quiet">{one.Leader ? "–" : one.LastContact}</td>
                <td class="number quiet">{one.LastIndex.toLocaleString("en")}</td>
                <td class="wide">
                  <Time at={Date.parse(one.StableSince) || 0} />
                </td>
                <td class="wide">{one.Version}</td>
                <td>
                  {peer && !one.Leader && voters > 1 && (
                    <button type="button" class="quiet" aria-label={`${m.overview.removePeer} ${one.Name}`} onClick={() => setRemoving(peer)}>
                      {m.overview.removePeer}
                    </button>
                  )}
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
      {removing && (
        <Confirm
          title={m.overview.removePeer}
          verb={m.overview.removePeer}
          word={removing.Node}
          onClose={() => setRemoving(null)}
          act={async () => {
            await remove(address("/v1/operator/raft/peer", { id: removing.ID, ...parameter }));
            raft.refresh();
          }}
        >
          <p>{m.overview.removePeerText(removing.Node, voters - (removing.Voter ? 1 : 0))}</p>
        </Confirm>
      )}
    </>
  );
}

function RaftOnly({ raft }: { raft: RaftConfiguration }) {
  return (
    <ul class="plain">
      {raft.Servers.map((one) => (
        <li key={one.ID}>
          <strong>{one.Node}</strong> <code>{one.Address}</code> {one.Leader ? m.overview.leader : one.Voter ? m.overview.voter : m.overview.nonVoter}
        </li>
      ))}
    </ul>
  );
}

const ORDER: Status[] = ["critical", "warning", "passing", "unknown"];

function CatalogHealth({ dc }: { dc: string }) {
  const parameter = { dc: dcParameter(dc) };
  const services = useLive<ServiceSummary[]>(address("/v1/internal/ui/services", parameter), { topics: ["services", "checks"] });
  const nodes = useLive<NodeInfo[]>(address("/v1/internal/ui/nodes", parameter), { topics: ["nodes", "services", "checks"] });
  const failed = services.error ?? nodes.error;
  if (!services.data || !nodes.data) return failed ? <Failure error={failed} retry={services.refresh} /> : <Loading />;
  const checks = nodes.data.flatMap((one) => one.Checks ?? []);
  const totals: [string, string | null, Status[]][] = [
    [m.overview.services, "services", services.data.map(worstOfCounts)],
    [m.overview.nodes, "nodes", nodes.data.map((one) => worstOfChecks(one.Checks))],
    [m.overview.checks, null, checks.map((one) => one.Status as Status)],
  ];
  return (
    <table>
      <caption class="visually-hidden">{m.overview.tabs["catalog-health"]}</caption>
      <thead>
        <tr>
          <th scope="col">{m.overview.what}</th>
          {ORDER.map((status) => (
            <th key={status} scope="col" class="number">
              {m.status[status]}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {totals.map(([title, section, found]) => (
          <tr key={title}>
            <th scope="row" class="name">
              {section ? <a href={href(paths.section(dc, section))}>{title}</a> : title} <span class="count">{found.length}</span>
            </th>
            {ORDER.map((status) => {
              const count = found.filter((one) => one === status).length;
              const target = section && count > 0 ? `${href(paths.section(dc, section))}?status=${encodeURIComponent(m.status[status])}` : null;
              return (
                <td key={status} class="number">
                  {target ? (
                    <a href={target} aria-label={`${title}, ${m.status[status]}: ${count}`}>
                      {count}
                    </a>
                  ) : (
                    count
                  )}
                </td>
              );
            })}
          </tr>
        ))}
      </tbody>
    </table>
  );
}
