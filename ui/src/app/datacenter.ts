// Which datacenter the page is about.

import { computed, signal } from "@preact/signals";
import { get } from "./api";
import { preferences } from "./preferences";
import { place } from "./router";
import { settings } from "./settings";
import type { AgentSelf } from "./types";

/** The datacenter of the agent that answers; empty until it is known. */
export const localDatacenter = signal(settings.local_datacenter);
export const version = signal(settings.version);

export const currentDatacenter = computed(() => place.value.dc || preferences.value.datacenter || localDatacenter.value);

/** Where no block of settings says it, the agent itself does. */
export async function learnDatacenter(): Promise<void> {
  if (localDatacenter.value) return;
  try {
    const { data } = await get<AgentSelf>("/v1/agent/self");
    localDatacenter.value = settings.local_datacenter = data.Config.Datacenter;
    version.value = data.Config.Version;
  } catch {
    const { data } = await get<string[]>("/v1/catalog/datacenters");
    localDatacenter.value = settings.local_datacenter = data[0] ?? "dc1";
  }
}

/** The value of the parameter `dc`: none for the agent's own datacenter. */
export function dcParameter(dc: string): string | undefined {
  return dc && dc !== localDatacenter.value ? dc : undefined;
}
