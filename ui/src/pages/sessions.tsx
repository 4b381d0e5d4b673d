import { address } from "../app/api";
import { dcParameter } from "../app/datacenter";
import { place } from "../app/router";
import { SessionList } from "../parts/session-list";

export function Sessions() {
  return <SessionList path={address("/v1/session/list", { dc: dcParameter(place.value.dc) })} />;
}
