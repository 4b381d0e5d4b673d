// Which page stands at which address.

import type { ComponentType } from "preact";
import { useEffect } from "preact/hooks";
import { InstancePage } from "../pages/instance";
import { CreateKey, KeyPage } from "../pages/key";
import { Keys } from "../pages/keys";
import { NodePage } from "../pages/node";
import { Nodes } from "../pages/nodes";
import { ServicePage } from "../pages/service";
import { Services } from "../pages/services";
import { Sessions } from "../pages/sessions";
import { Empty } from "../parts/feedback";
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
      <Toasts />
    </>
  );
}
