// Which page stands at which address.

import type { ComponentType } from "preact";
import { useEffect } from "preact/hooks";
import { Events } from "../pages/events";
import { InstancePage } from "../pages/instance";
import { CreateKey, KeyPage } from "../pages/key";
import { Keys } from "../pages/keys";
import { Members } from "../pages/members";
import { Monitor } from "../pages/monitor";
import { NodePage } from "../pages/node";
import { Nodes } from "../pages/nodes";
import { Overview } from "../pages/overview";
import { Queries } from "../pages/queries";
import { ServicePage } from "../pages/service";
import { Services } from "../pages/services";
import { Sessions } from "../pages/sessions";
import { SettingsPage } from "../pages/settings";
import { Snapshots } from "../pages/snapshots";
import { Topology } from "../pages/topology";
import { Empty } from "../parts/feedback";
import { Help, Palette } from "../parts/palette";
import { Shell } from "../parts/shell";
import { SignIn } from "../parts/sign-in";
import { Boundary, Heading } from "../parts/small";
import { Toasts } from "../parts/toast";
import { paths } from "./addresses";
import { currentDatacenter, localDatacenter } from "./datacenter";
import { m } from "./messages";
import { go, place } from "./router";

const PAGES: Record<string, ComponentType> = {
  services: Services,
  service: ServicePage,
  instance: InstancePage,
  nodes: Nodes,
  node: NodePage,
  kv: Keys,
  key: KeyPage,
  "create-key": CreateKey,
  sessions: Sessions,
  overview: Overview,
  queries: Queries,
  snapshots: Snapshots,
  topology: Topology,
  members: Members,
  events: Events,
  monitor: Monitor,
  settings: SettingsPage,
};

function Unknown() {
  return (
    <>
      <Heading title={m.unknown.title} />
      <Empty title={m.unknown.title} text={m.unknown.text} />
    </>
  );
}

export function App() {
  const { page, dc, names } = place.value;
  useEffect(() => {
    if (page === "" && currentDatacenter.value) go(paths.section(currentDatacenter.value, "services"), { replace: true });
  }, [page, localDatacenter.value]);
  if (!localDatacenter.value) return null;
  const Page = PAGES[page] ?? Unknown;
  return (
    <>
      <Shell>
        <Boundary key={`${dc}/${page}/${names.join("/")}`}>{page === "" ? null : <Page />}</Boundary>
      </Shell>
      <SignIn />
      <Palette />
      <Help />
      <Toasts />
    </>
  );
}
