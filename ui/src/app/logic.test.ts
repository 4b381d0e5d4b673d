import { describe, expect, test } from "vitest";
import { distance, histogram, spread } from "./distance";
import { EventParser } from "./events";
import { best, score } from "./fuzzy";
import { reason, worst, worstOfCounts } from "./health";
import { segments } from "./history";
import { changes, choose, counts, keepOrder, search, sort, visible } from "./list";
import { nanoseconds, relative, size } from "./time";
import { complaint, decode, difference, hex, syntaxOf } from "./values";

const rows = [
  { id: "b", tags: ["x"] },
  { id: "a", tags: ["x", "y"] },
  { id: "c", tags: [] as string[] },
];
const id = (row: { id: string }) => row.id;

describe("lists", () => {
  test("a search wants every word, capitals aside", () => {
    expect(search(["Web API", "web", "api"], "api WEB", (row) => row)).toEqual(["Web API"]);
    expect(search(["a"], "  ", (row) => row)).toEqual(["a"]);
  });
  test("facets narrow together, their values widen", () => {
    const facet = { key: "tag", title: "Tag", values: (row: (typeof rows)[number]) => row.tags };
    expect(choose(rows, [facet], { tag: ["y", "x"] }).map(id)).toEqual(["b", "a"]);
    expect(choose(rows, [facet], { tag: [] })).toHaveLength(3);
    expect(counts(rows, facet)).toEqual([["x", 2], ["y", 1]]);
  });
  test("sorting goes both ways and leaves the rows as they were", () => {
    const byId = [{ key: "id", title: "ID", compare: (a: { id: string }, b: { id: string }) => (a.id < b.id ? -1 : 1) }];
    expect(sort(rows, byId, "id:desc").map(id)).toEqual(["c", "b", "a"]);
    expect(sort(rows, byId, "unknown:asc").map(id)).toEqual(["a", "b", "c"]);
    expect(rows.map(id)).toEqual(["b", "a", "c"]);
  });
  test("an order is kept while somebody reads, and what stands elsewhere is counted", () => {
    const kept = keepOrder(["a", "b"], [{ id: "b" }, { id: "c" }, { id: "a" }], id);
    expect(kept.rows.map(id)).toEqual(["a", "b", "c"]);
    expect(kept.moved).toBe(3);
    expect(keepOrder(["a", "b"], [{ id: "a" }, { id: "b" }], id).moved).toBe(0);
  });
  test("changes are new and different rows, and nothing at first", () => {
    const before = new Map([["a", JSON.stringify(rows[1])]]);
    expect([...changes(before, rows, id)]).toEqual(["b", "c"]);
    expect(changes(null, rows, id).size).toBe(0);
  });
  test("only rows on screen are drawn, and some around them", () => {
    expect(visible(10_000, 36, 36_000, 720)).toEqual({ from: 988, to: 1032 });
    expect(visible(3, 36, 0, 720)).toEqual({ from: 0, to: 3 });
    expect(visible(3, 36, 9000, 720)).toEqual({ from: 3, to: 3 });
  });
});

describe("health", () => {
  test("the worst status stands for all", () => {
    expect(worst(["passing", "warning", "critical"])).toBe("critical");
    expect(worst([])).toBe("unknown");
    expect(worstOfCounts({ ChecksPassing: 1, ChecksWarning: 0, ChecksCritical: 0 })).toBe("passing");
  });
  test("a failing check explains itself by its name and its first line", () => {
    const check = { Node: "n", CheckID: "c", Notes: "", ServiceID: "", ServiceName: "" };
    const list = [
      { ...check, Name: "disk", Status: "warning", Output: "90 % full" },
      { ...check, Name: "port", Status: "critical", Output: "\nrefused\nagain" },
    ];
    expect(reason(list)).toBe("port: refused (+1)");
    expect(reason([])).toBe("");
  });
  test("a history becomes parts of the time looked at", () => {
    const parts = segments([{ Time: 50e6, Before: "passing", Status: "critical" }], "critical", 0, 100);
    expect(parts.map((part) => [part.status, part.share])).toEqual([["passing", 0.5], ["critical", 0.5]]);
    expect(segments([], "warning", 0, 100)).toEqual([{ from: 0, share: 1, status: "warning" }]);
  });
});

describe("distances", () => {
  const at = (x: number, adjustment = 0) => ({ Vec: [x, 0], Error: 1, Adjustment: adjustment, Height: 0.001 });
  test("are Euclidean with both heights, and adjusted where that stays positive", () => {
    expect(distance(at(0), at(0.003))).toBeCloseTo(0.005);
    expect(distance(at(0, 0.001), at(0.003, 0.001))).toBeCloseTo(0.007);
    expect(distance(at(0, -0.01), at(0.003))).toBeCloseTo(0.005);
  });
  test("are spread and counted", () => {
    expect(spread([3, 1, 2, 4])).toEqual({ minimum: 1, median: 2.5, maximum: 4 });
    expect(spread([])).toBeNull();
    expect(histogram([1, 1, 2, 5], 4)).toEqual([2, 1, 0, 1]);
  });
});

describe("server-sent events", () => {
  test("are parsed across pieces, comments aside", () => {
    const parser = new EventParser();
    expect(parser.feed("id: 4\nevent: change\nda")).toEqual([]);
    expect(parser.feed('ta: {"Index":4}\n\n: still here\n\nda')).toEqual([{ id: "4", event: "change", data: '{"Index":4}' }]);
    expect(parser.feed("ta: a\r\ndata: b\r\n\r\n")).toEqual([{ id: "4", event: "message", data: "a\nb" }]);
  });
});

describe("values", () => {
  test("text is text, and what is none is shown as bytes", () => {
    expect(decode(btoa("a\tb\n")).text).toBe("a\tb\n");
    expect(decode(btoa("\x00\x01")).text).toBeNull();
    expect(decode(btoa("\xff\xfe")).text).toBeNull();
    expect(decode(null).text).toBe("");
    expect(hex(decode(btoa("A\x00")).bytes)).toMatch(/^00000000 {2}41 00 .* A·$/);
  });
  test.each([
    ['{"a": 1}', "JSON"],
    ["[1, 2]", "JSON"],
    ["a: 1\nb:\n  - x", "YAML"],
    ['upstream "web" {\n  port = 80\n}', "HCL"],
    ["[server]\nport = 80", "TOML"],
    ["hello world", "plain text"],
  ])("%j is %s", (text, syntax) => {
    expect(syntaxOf(text)).toBe(syntax);
  });
  test("broken JSON is said, and good JSON is not", () => {
    expect(complaint('{"a": }', "JSON")).not.toBe("");
    expect(complaint('{"a": 1}', "JSON")).toBe("");
  });
  test("two texts are compared line by line", () => {
    expect(difference("a\nb\nc", "a\nx\nc").map((line) => line.kind + line.text)).toEqual(["samea", "theirsb", "minex", "samec"]);
  });
});

describe("words", () => {
  test("times and sizes are said as people say them", () => {
    expect(relative(0, 5000)).toBe("5 seconds ago");
    expect(relative(0, 3 * 3_600_000)).toBe("3 hours ago");
    expect(nanoseconds(15e9)).toBe("15s");
    expect(nanoseconds(120e9)).toBe("2m");
    expect(size(512 * 1024)).toBe("512 kB");
  });
  test("a fuzzy search prefers beginnings of words", () => {
    expect(score("orders", "xyz")).toBeNull();
    expect(best(["shipping-orders", "web-proxy", "orders"], "ord", (one) => one, 2)).toEqual(["orders", "shipping-orders"]);
  });
});
