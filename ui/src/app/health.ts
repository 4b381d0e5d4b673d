// Statuses of checks, and what follows from several of them.

import type { Check } from "./types";

export type Status = "critical" | "warning" | "passing" | "unknown";

const SEVERITY: Record<Status, number> = { critical: 0, warning: 1, unknown: 2, passing: 3 };

export function statusOf(text: string): Status {
  return text === "passing" || text === "warning" || text === "critical" ? text : "unknown";
}

export function worst(statuses: Iterable<Status>): Status {
  let found: Status | null = null;
  for (const one of statuses) if (found === null || SEVERITY[one] < SEVERITY[found]) found = one;
  return found ?? "unknown";
}

export function severity(status: Status): number {
  return SEVERITY[status];
}

export function worstOfCounts(counts: { ChecksPassing: number; ChecksWarning: number; ChecksCritical: number }): Status {
  if (counts.ChecksCritical) return "critical";
  if (counts.ChecksWarning) return "warning";
  return counts.ChecksPassing ? "passing" : "unknown";
}

export function worstOfChecks(checks: Check[] | null): Status {
  return worst((checks ?? []).map((check) => statusOf(check.Status)));
}

/** The check that explains a status best: its name and the first line that it said; empty where all is well. */
export function reason(checks: readonly Check[] | null): string {
  const failing = (checks ?? []).filter((check) => check.Status !== "passing");
  failing.sort((a, b) => SEVERITY[statusOf(a.Status)] - SEVERITY[statusOf(b.Status)]);
  const first = failing[0];
  if (!first) return "";
  const line = first.Output.split("\n").find((text) => text.trim()) ?? "";
  const more = failing.length > 1 ? ` (+${failing.length - 1})` : "";
  return `${first.Name || first.CheckID}${line ? `: ${line.trim()}` : ""}${more}`;
}
