import { describe, expect, test } from "vitest";
import { nextIndex, pause, rest } from "./blocking";

describe("the index to wait for", () => {
  test.each([
    ["goes forward", 5, "9", 9],
    ["stays where nothing changed", 9, "9", 9],
    ["starts anew where it went back", 9, "4", 0],
    ["is none where the server gave none", 9, null, 0],
    ["is none at 0", 9, "0", 0],
    ["is none where it is no number", 9, "soon", 0],
  ])("%s", (_name, before, received, expected) => {
    expect(nextIndex(before, received)).toBe(expected);
  });
});

describe("after failures", () => {
  test("the pause grows from half a second to at most 30", () => {
    expect(pause(1, 0)).toBe(0.5);
    expect(pause(1, 1)).toBe(1);
    expect(pause(4, 1)).toBe(8);
    expect(pause(50, 1)).toBe(30);
  });
});

describe("a server that does not wait", () => {
  test("is not asked without end", () => {
    expect(rest(3, 7, false)).toBe(1000);
    expect(rest(3, 0, true)).toBe(5000);
  });
  test("is asked at once where it waited, or told something new", () => {
    expect(rest(900, 7, false)).toBe(0);
    expect(rest(3, 7, true)).toBe(0);
  });
});
