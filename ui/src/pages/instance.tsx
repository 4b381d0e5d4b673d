import { paths } from "../app/addresses";
import { address } from "../app/api";
import { dcParameter } from "../app/datacenter";
import { worstOfChecks } from "../app/health";
import { useLive } from "../app/live";
import { m } from "../app/messages";
import { backTo, href, place } from "../app/router";
import type { Instance } from "../app/types";
import { Checks, useHistory } from "../parts/checks";
import { Empty, Failure, Loading } from "../parts/feedback";
import { StatusBadge } from "../parts/icons";
import { useLast } from "../parts/last";
import { Metadata } from "../parts/metadata";
import { Code, Crumbs, Facts, Heading, Notice, Tabs, Tags } from "../parts/small";
import { addressOf } from "./service";

export function InstancePage() {
  const { dc, names, tab } = place.value;
  const [name = "", node = "", id = ""] = names;
  const live = useLive<Instance[]>(address(`/v1/health/service/${encodeURIComponent(name)}`, { dc: dcParameter(dc) }), {
    topics: ["services", "checks"],
  });
  const history = useHistory(node);
  const current = live.data?.find((one) => one.Node.Node === node && one.Service.ID === id);
  const found = useLast(current);
  const crumbs: [string, string][] = [
    [m.services.title, backTo(paths.section(dc, "services"))],
    [name, backTo(paths.service(dc, name))],
  ];
  if (!found) {
    return (
      <>
        <Crumbs items={crumbs} />
        <Heading title={id} />
        {live.error ? (
          <Failure error={live.error} retry={live.refresh} />
        ) : live.data ? (
          <Empty title={m.empty.instances} text={m.empty.instancesText} />
        ) : (
          <Loading />
        )}
      </>
    );
  }
  const isProxy = Boolean(found.Service.Proxy?.DestinationServiceName || found.Service.Proxy?.Upstreams?.length);
  const wanted = ["health-checks", ...(isProxy ? ["upstreams", "exposed-paths"] : []), "addresses", "metadata"] as (keyof typeof m.instance.tabs)[];
  const shown = tab || "health-checks";
  return (
    <>
      <Crumbs items={crumbs} />
      <Heading title={id}>
        <StatusBadge status={worstOfChecks(found.Checks)} />
      </Heading>
      {live.data && !current && <Notice kind="warning">{m.services.goneText}</Notice>}
      <Tabs label={id} current={shown} tabs={wanted.map((one) => [one, m.instance.tabs[one], href(paths.instance(dc, name, node, id, one))])} />
      <div class="columns">
        <div>
          {shown === "health-checks" && <Checks checks={found.Checks ?? []} history={history} showService />}
          {shown === "addresses" && <Addresses instance={found} />}
          {shown === "metadata" && <Metadata meta={found.Service.Meta} />}
          {shown === "upstreams" && <Upstreams instance={found} />}
          {shown === "exposed-paths" && <Exposed instance={found} />}
        </div>
        <aside aria-label="Facts">
          <Facts
            facts={[
              [m.services.name, <a href={href(paths.service(dc, name))}>{name}</a>],
              [m.instance.node, <a href={href(paths.node(dc, node))}>{node}</a>],
              [m.instance.address, <Code text={addressOf(found)} what="address" />],
              [m.instance.id, <Code text={id} what="ID" />],
              [m.services.kind, found.Service.Kind ?? ""],
              [m.instance.destination, found.Service.Proxy?.DestinationServiceName ?? ""],
              [m.services.tags, found.Service.Tags?.length ? <Tags tags={found.Service.Tags} /> : ""],
            ]}
          />
        </aside>
      </div>
    </>
  );
}

function Addresses({ instance }: { instance: Instance }) {
  const tagged = Object.entries(instance.Service.TaggedAddresses ?? {});
  const rows: [string, string][] = [["default", addressOf(instance)], ...tagged.map(([tag, one]): [string, string] => [tag, `${one.Address}:${one.Port}`])];
  return (
    <table>
      <caption class="visually-hidden">{m.instance.tagged}</caption>
      <thead>
        <tr>
          <th scope="col">Tag</th>
          <th scope="col">{m.instance.address}</th>
        </tr>
      </thead>
      <tbody>
        {rows.map(([tag, text]) => (
          <tr key={tag}>
            <th scope="row">{tag}</th>
            <td>
              <Code text={text} what="address" />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Upstreams({ instance }: { instance: Instance }) {
  const rows = instance.Service.Proxy?.Upstreams ?? [];
  if (rows.length === 0) return <Empty title={m.empty.upstreams} text={m.empty.upstreamsText} />;
  return (
    <ul class="plain">
      {rows.map((one) => (
        <li key={`${one.DestinationName}/${one.LocalBindPort}`}>
          <strong>{one.DestinationName}</strong> <code>{`${one.LocalBindAddress || "127.0.0.1"}:${one.LocalBindPort}`}</code> {one.Datacenter}
        </li>
      ))}
    </ul>
  );
}

function Exposed({ instance }: { instance: Instance }) {
  const rows = instance.Service.Proxy?.Expose?.Paths ?? [];
  if (rows.length === 0) return <Empty title={m.empty.exposed} text={m.empty.exposedText} />;
  return (
    <ul class="plain">
      {rows.map((one) => (
        <li key={one.Path}>
          <code>{`:${one.ListenerPort}${one.Path}`}</code> → <code>{`:${one.LocalPathPort}`}</code> {one.Protocol}
        </li>
      ))}
    </ul>
  );
}
