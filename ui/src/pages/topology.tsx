import { useMemo } from "preact/hooks";
import { paths } from "../app/addresses";
import { address } from "../app/api";
import { dcParameter } from "../app/datacenter";
import { distance, milliseconds, spread } from "../app/distance";
import { type Status, worstOfChecks } from "../app/health";
import { byText } from "../app/list";
import { useLive } from "../app/live";
import { m } from "../app/messages";
import { project } from "../app/projection";
import { href, place } from "../app/router";
import type { NodeCoordinate, NodeInfo } from "../app/types";
import { Empty, Failure, Loading } from "../parts/feedback";
import { StatusBadge } from "../parts/icons";
import { Heading } from "../parts/small";

const MARKS: Record<Status, string> = {
  passing: "M-7 0a7 7 0 1 0 14 0a7 7 0 1 0-14 0z",
  warning: "M0-8 8 6H-8z",
  critical: "M-3-7h6l4 4v6l-4 4h-6l-4-4v-6z",
  unknown: "M-6-6h12v12h-12z",
};
const WIDTH = 900;
const HEIGHT = 420;
const EDGE = 60;
const MOST = 300; // nodes; more are no picture any more

export function Topology() {
  const { dc } = place.value;
  const parameter = { dc: dcParameter(dc) };
  const coordinates = useLive<NodeCoordinate[]>(address("/v1/coordinate/nodes", parameter), { topics: [], poll: 15_000 });
  const nodes = useLive<NodeInfo[]>(address("/v1/internal/ui/nodes", parameter), { topics: ["nodes", "services", "checks"] });
  const points = useMemo(() => project((coordinates.data ?? []).filter((one) => one.Segment === "").slice(0, MOST)), [coordinates.data]);
  const status = new Map((nodes.data ?? []).map((one) => [one.Node, worstOfChecks(one.Checks)]));
  const failed = coordinates.error ?? nodes.error;
  return (
    <>
      <Heading title={m.topology.title} count={points.length ? m.plural(points.length, "node") : undefined} />
      {!coordinates.data ? (
        failed ? (
          <Failure error={failed} retry={coordinates.refresh} />
        ) : (
          <Loading />
        )
      ) : points.length === 0 ? (
        <Empty title={m.empty.coordinates} text={m.empty.coordinatesText} />
      ) : (
        <>
          <p class="hint">{m.topology.text}</p>
          <svg class="map" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={m.topology.picture}>
            {points.map((one) => (
              <g key={one.node} transform={`translate(${EDGE + one.x * (WIDTH - 2 * EDGE)} ${EDGE + one.y * (HEIGHT - 2 * EDGE)})`}>
                <path class={`shape ${status.get(one.node) ?? "unknown"}`} d={MARKS[status.get(one.node) ?? "unknown"]} />
                <text x="12" y="4">
                  {one.node}
                </text>
              </g>
            ))}
          </svg>
          <Distances dc={dc} coordinates={coordinates.data} status={status} />
        </>
      )}
    </>
  );
}

function Distances({ dc, coordinates, status }: { dc: string; coordinates: NodeCoordinate[]; status: Map<string, Status> }) {
  const rows = [...coordinates].sort((a, b) => byText(a.Node, b.Node)).slice(0, MOST);
  return (
    <table>
      <caption class="visually-hidden">{m.topology.picture}</caption>
      <thead>
        <tr>
          <th scope="col" class="state">
            {m.services.status}
          </th>
          <th scope="col">{m.nodes.name}</th>
          {(["minimum", "median", "maximum"] as const).map((key) => (
            <th key={key} scope="col" class={key === "median" ? "number" : "number quiet"}>
              {m.nodes[key]}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => {
          const range = spread(rows.filter((one) => one.Node !== row.Node).map((one) => distance(row.Coord, one.Coord)));
          return (
            <tr key={row.Node}>
              <td class="state">
                <StatusBadge status={status.get(row.Node) ?? "unknown"} />
              </td>
              <th scope="row" class="name">
                <a href={href(paths.node(dc, row.Node, "round-trip-time"))}>{row.Node}</a>
              </th>
              {(["minimum", "median", "maximum"] as const).map((key) => (
                <td key={key} class={key === "median" ? "number" : "number quiet"}>
                  {range ? milliseconds(range[key]) : "–"}
                </td>
              ))}
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}
