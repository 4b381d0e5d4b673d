// Addresses of the page, in the shape of Consul's, so that bookmarks keep working.

import { escapeKey } from "./api";

export interface Place {
  page: string; // a section, or "service", "instance", "node", "key"
  dc: string;
  names: string[]; // what the page is about, unescaped
  tab: string;
}

const DETAIL_TABS: Record<string, string[]> = {
  service: ["instances", "intentions", "routing", "topology", "upstreams", "services", "tags"],
  node: ["health-checks", "service-instances", "round-trip-time", "lock-sessions", "metadata"],
  instance: ["health-checks", "upstreams", "exposed-paths", "addresses", "metadata"],
};

/** The place of a path below the content path. An unknown one has the page "unknown". */
export function placeOf(path: string): Place {
  const parts = path.split("/").map(unescape);
  const [first = "", section = ""] = parts;
  if (first === "") return { page: "", dc: "", names: [], tab: "" };
  if (first === "settings" || first === "setting") return { page: "settings", dc: "", names: [], tab: "" };
  const at = (page: string, names: string[] = [], tab = ""): Place => ({ page, dc: first, names, tab });
  const rest = parts.slice(2).filter((part, number, all) => part !== "" || number < all.length - 1);
  switch (section) {
    case "":
      return at("services");
    case "services":
      if (!rest[0]) return at("services");
      if (rest[1] === "instances" && rest.length >= 4) return at("instance", [rest[0], rest[2] ?? "", rest[3] ?? ""], rest[4] ?? "");
      return at("service", [rest[0]], rest[1] ?? "");
    case "nodes":
      return rest[0] ? at("node", [rest[0]], rest[1] ?? "") : at("nodes");
    case "kv":
      return keyPlace(at, parts.slice(2));
    case "overview":
      return at("overview", [], rest[0] ?? "server-status");
    case "acls":
      return at("acls", rest.slice(1), rest[0] ?? "tokens");
    case "members":
    case "sessions":
    case "queries":
    case "events":
    case "monitor":
    case "snapshots":
    case "topology":
    case "intentions":
      return at(section, rest);
    default:
      return at("unknown", [section]);
  }
}

function keyPlace(at: (page: string, names?: string[], tab?: string) => Place, parts: string[]): Place {
  const last = parts.at(-1) ?? "";
  const before = parts.slice(0, -1);
  if (last === "edit" && before.length > 0) return at("key", [before.join("/")]);
  if (last === "create") return at("create-key", [before.length ? `${before.join("/")}/` : ""]);
  const prefix = parts.join("/");
  return at("kv", [prefix && !prefix.endsWith("/") ? `${prefix}/` : prefix]);
}

function unescape(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

export const paths = {
  section: (dc: string, section: string) => `${encodeURIComponent(dc)}/${section}`,
  service: (dc: string, name: string, tab = "instances") => `${encodeURIComponent(dc)}/services/${encodeURIComponent(name)}/${tab}`,
  instance: (dc: string, service: string, node: string, id: string, tab = "health-checks") =>
    `${encodeURIComponent(dc)}/services/${[service, "instances", node, id].map(encodeURIComponent).join("/")}/${tab}`,
  node: (dc: string, name: string, tab = "health-checks") => `${encodeURIComponent(dc)}/nodes/${encodeURIComponent(name)}/${tab}`,
  folder: (dc: string, prefix: string) => `${encodeURIComponent(dc)}/kv${prefix ? `/${escapeKey(prefix)}` : ""}`,
  key: (dc: string, key: string) => `${encodeURIComponent(dc)}/kv/${escapeKey(key)}/edit`,
  createKey: (dc: string, prefix: string) => `${encodeURIComponent(dc)}/kv/${escapeKey(prefix)}create`,
};

export function isTab(page: string, tab: string): boolean {
  return DETAIL_TABS[page]?.includes(tab) ?? false;
}
