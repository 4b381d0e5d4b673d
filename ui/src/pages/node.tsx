import { useState } from "preact/hooks";
import { paths } from "../app/addresses";
import { address, put } from "../app/api";
import { dcParameter } from "../app/datacenter";
import { distance, histogram, milliseconds, spread } from "../app/distance";
import { statusOf, worst, worstOfChecks } from "../app/health";
import { byText } from "../app/list";
import { useLive } from "../app/live";
import { m } from "../app/messages";
import { backTo, go, href, place } from "../app/router";
import type { Member, NodeCoordinate, NodeInfo } from "../app/types";
import { Checks, useHistory } from "../parts/checks";
import { Confirm } from "../parts/dialog";
import { Empty, Failure, Loading } from "../parts/feedback";
import { StatusBadge } from "../parts/icons";
import { useLast } from "../parts/last";
import { Metadata } from "../parts/metadata";
import { SessionList } from "../parts/session-list";
import { Code, Crumbs, Facts, Heading, Notice, Tabs, Tags } from "../parts/small";

type TabName = keyof typeof m.nodes.tabs;
const FAILED = 4;

export function NodePage() {
  const { dc, names, tab } = place.value;
  const name = names[0] ?? "";
  const parameter = { dc: dcParameter(dc) };
  const live = useLive<NodeInfo | null>(address(`/v1/internal/ui/node/${encodeURIComponent(name)}`, parameter), {
    topics: ["nodes", "services", "checks"],
  });
  const members = useLive<Member[]>("/v1/agent/members", { topics: [], poll: 10_000 });
  const history = useHistory(name);
  const isGone = live.error?.status === 404 || live.data === null;
  const found = useLast(live.data ?? undefined);
  const shown = (tab || "health-checks") as TabName;
  const member = members.data?.find((one) => one.Name === name);
  return (
    <>
      <Crumbs items={[[m.nodes.title, backTo(paths.section(dc, "nodes"))]]} />
      <Heading title={name}>
        {found && <StatusBadge status={worstOfChecks(found.Checks)} />}
        {found && !isGone && <Actions dc={dc} name={name} hasFailed={member?.Status === FAILED} />}
      </Heading>
      {isGone && found && <Notice kind="warning">{m.nodes.gone}</Notice>}
      {!found && (live.error ? <Failure error={live.error} retry={live.refresh} /> : <Loading />)}
      {found && (
        <>
          <Tabs
            label={name}
            current={shown}
            tabs={(Object.keys(m.nodes.tabs) as TabName[]).map((one) => [
              one,
              m.nodes.tabs[one],
              href(paths.node(dc, name, one)),
              one === "health-checks" ? found.Checks?.length : one === "service-instances" ? found.Services?.length : undefined,
            ])}
          />
          <div class="columns">
            <div>
              {shown === "health-checks" && <Checks checks={found.Checks ?? []} history={history} showService />}
              {shown === "service-instances" && <Instances node={found} dc={dc} />}
              {shown === "lock-sessions" && <SessionList path={address(`/v1/session/node/${encodeURIComponent(name)}`, parameter)} isPart />}
              {shown === "round-trip-time" && <RoundTrips path={address("/v1/coordinate/nodes", parameter)} name={name} dc={dc} />}
              {shown === "metadata" && <Metadata meta={found.Meta} />}
            </div>
            <aside aria-label="Facts">
              <Facts
                facts={[
                  [m.nodes.address, <Code text={found.Address} what="address" />],
                  ["ID", found.ID && <Code text={found.ID} what="ID" />],
                  [m.nodes.member, member ? m.members.statuses[member.Status] : m.nodes.external],
                  [m.nodes.version, member?.Tags["build"]?.split(":")[0]],
                  ...Object.entries(found.TaggedAddresses ?? {})
                    .filter(([key]) => !key.includes("_ipv"))
                    .map(([key, value]): [string, preact.ComponentChildren] => [`${m.nodes.address} (${key})`, <code>{value}</code>]),
                ]}
              />
            </aside>
          </div>
        </>
      )}
    </>
  );
}

function Actions({ dc, name, hasFailed }: { dc: string; name: string; hasFailed: boolean }) {
  const [asked, setAsked] = useState<"deregister" | "leave" | null>(null);
  const close = () => setAsked(null);
  return (
    <>
      {hasFailed && (
        <button type="button" onClick={() => setAsked("leave")}>
          {m.nodes.forceLeave}
        </button>
      )}
      <button type="button" class="danger" onClick={() => setAsked("deregister")}>
        {m.nodes.deregister}
      </button>
      {asked === "leave" && (
        <Confirm title={m.nodes.forceLeave} verb={m.nodes.forceLeave} onClose={close} act={() => put(`/v1/agent/force-leave/${encodeURIComponent(name)}`)}>
          <p>{m.nodes.forceLeaveText(name)}</p>
        </Confirm>
      )}
      {asked === "deregister" && (
        <Confirm
          title={m.nodes.deregister}
          verb={m.nodes.deregister}
          word={name}
          onClose={close}
          act={async () => {
            await put(address("/v1/catalog/deregister", { dc: dcParameter(dc) }), { body: { Node: name, Datacenter: dc } });
            go(paths.section(dc, "nodes"));
          }}
        >
          <p>{m.nodes.deregisterText(name)}</p>
        </Confirm>
      )}
    </>
  );
}

function Instances({ node, dc }: { node: NodeInfo; dc: string }) {
  const rows = [...(node.Services ?? [])].sort((a, b) => byText(a.Service, b.Service) || byText(a.ID, b.ID));
  if (rows.length === 0) return <Empty title={m.empty.instances} text={m.empty.servicesText} command={m.empty.servicesCommand} />;
  const status = (id: string) => worst((node.Checks ?? []).filter((check) => check.ServiceID === id).map((check) => statusOf(check.Status)));
  return (
    <table>
      <caption class="visually-hidden">{m.nodes.tabs["service-instances"]}</caption>
      <thead>
        <tr>
          <th scope="col" class="state">
            {m.services.status}
          </th>
          <th scope="col">{m.services.name}</th>
          <th scope="col">{m.instance.id}</th>
          <th scope="col" class="quiet">
            Port
          </th>
          <th scope="col" class="quiet">
            {m.services.tags}
          </th>
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <tr key={row.ID}>
            <td>
              <StatusBadge status={status(row.ID)} />
            </td>
            <th scope="row" class="name">
              <a href={href(paths.service(dc, row.Service))}>{row.Service}</a>
            </th>
            <td>
              <a href={href(paths.instance(dc, row.Service, node.Node, row.ID))}>{row.ID}</a>
            </td>
            <td class="quiet">{row.Port || ""}</td>
            <td class="quiet">
              <Tags tags={row.Tags} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function RoundTrips({ path, name, dc }: { path: string; name: string; dc: string }) {
  const live = useLive<NodeCoordinate[]>(path, { topics: [], poll: 10_000 });
  if (!live.data) return live.error ? <Failure error={live.error} retry={live.refresh} /> : <Loading />;
  const own = live.data.find((one) => one.Node === name);
  const others = own
    ? live.data
        .filter((one) => one.Node !== name && one.Segment === own.Segment)
        .map((one) => ({ node: one.Node, seconds: distance(own.Coord, one.Coord) }))
        .sort((a, b) => a.seconds - b.seconds)
    : [];
  const range = spread(others.map((one) => one.seconds));
  if (!range) return <Empty title={m.empty.coordinates} text={m.empty.coordinatesText} />;
  const bars = histogram(
    others.map((one) => one.seconds),
    Math.min(24, Math.max(6, others.length)),
  );
  const most = Math.max(...bars, 1);
  return (
    <>
      <dl class="figures">
        {([["minimum", range.minimum], ["median", range.median], ["maximum", range.maximum]] as const).map(([key, value]) => (
          <div key={key}>
            <dt>{m.nodes[key]}</dt>
            <dd>{milliseconds(value)}</dd>
          </div>
        ))}
      </dl>
      <figure class="panel">
        <figcaption class="quiet-text">{m.nodes.distribution}</figcaption>
        <div class="bars" role="img" aria-label={`${m.nodes.distribution}: ${milliseconds(range.minimum)} – ${milliseconds(range.maximum)}`}>
          {bars.map((count, at) => (
            <span key={at} style={{ height: `${(100 * count) / most}%` }} />
          ))}
        </div>
        <div class="under">
          <span>{milliseconds(range.minimum)}</span>
          <span>{milliseconds(range.maximum)}</span>
        </div>
      </figure>
      <table>
        <caption class="visually-hidden">{m.nodes.tabs["round-trip-time"]}</caption>
        <thead>
          <tr>
            <th scope="col">{m.nodes.name}</th>
            <th scope="col" class="number">
              {m.nodes.rtt}
            </th>
          </tr>
        </thead>
        <tbody>
          {others.map((one) => (
            <tr key={one.node}>
              <th scope="row" class="name">
                <a href={href(paths.node(dc, one.node))}>{one.node}</a>
              </th>
              <td class="number">{milliseconds(one.seconds)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
}
