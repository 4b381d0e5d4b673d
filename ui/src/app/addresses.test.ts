import { describe, expect, test } from "vitest";
import { paths, placeOf } from "./addresses";

describe("addresses", () => {
  test.each([
    ["", "", []],
    ["dc1", "services", []],
    ["dc1/services", "services", []],
    ["dc1/services/web/tags", "service", ["web"]],
    ["dc1/services/web/instances/n1/web-1/metadata", "instance", ["web", "n1", "web-1"]],
    ["dc1/nodes/n1/lock-sessions", "node", ["n1"]],
    ["dc1/kv", "kv", [""]],
    ["dc1/kv/app/", "kv", ["app/"]],
    ["dc1/kv/app", "kv", ["app/"]],
    ["dc1/kv/app/port/edit", "key", ["app/port"]],
    ["dc1/kv/app/create", "create-key", ["app/"]],
    ["dc1/kv/create", "create-key", [""]],
    ["settings", "settings", []],
    ["setting", "settings", []],
    ["dc1/nothing", "unknown", ["nothing"]],
  ])("%s is %s", (path, page, names) => {
    expect(placeOf(path)).toMatchObject({ page, names });
  });

  test.each(["port", "a b/c%d", "ünï/ċøde", "/leading", "double//slash", "edit", "folder/create", "?#&"])("the key %s comes back", (key) => {
    expect(placeOf(paths.key("dc1", key))).toMatchObject({ page: "key", names: [key] });
  });

  test("names with slashes and percent signs come back", () => {
    expect(placeOf(paths.service("dc1", "a/b%2Fc"))).toMatchObject({ page: "service", names: ["a/b%2Fc"] });
    expect(placeOf(paths.instance("dc1", "s/1", "n/2", "i/3"))).toMatchObject({ page: "instance", names: ["s/1", "n/2", "i/3"] });
    expect(placeOf(paths.folder("dc1", "a b/"))).toMatchObject({ page: "kv", names: ["a b/"] });
  });
});
