// Checks with what they say, and when they turned.

import { address } from "../app/api";
import { now } from "../app/connection";
import { severity, statusOf } from "../app/health";
import { useLive } from "../app/live";
import { byText } from "../app/list";
import { m } from "../app/messages";
import { segments } from "../app/history";
import type { Check, CheckHistory } from "../app/types";
import { settings } from "../app/settings";
import { Empty } from "./feedback";
import { StatusBadge } from "./icons";
import { Copy, Time } from "./small";

const DAY = 24 * 3600 * 1000;

/** The history of the checks of one node, where the agent keeps it. */
export function useHistory(node: string): Map<string, CheckHistory> | null {
  const offered = settings.features.includes("muster/health/history");
  const live = useLive<CheckHistory[] | null>(offered ? address("/v1/muster/health/history", { node }) : null, { topics: ["checks"] });
  if (!offered || !live.data) return null;
  return new Map(live.data.map((one) => [one.CheckID, one]));
}

export function Checks({ checks, history, showService }: { checks: Check[]; history: Map<string, CheckHistory> | null; showService?: boolean }) {
  if (checks.length === 0) return <Empty title={m.empty.checks} text={m.empty.checksText} />;
  const sorted = [...checks].sort((a, b) => severity(statusOf(a.Status)) - severity(statusOf(b.Status)) || byText(a.Name, b.Name));
  return (
    <ul class="checks">
      {sorted.map((check) => (
        <li key={`${check.Node}/${check.CheckID}`} class={`card ${check.Status}`}>
          <header>
            <StatusBadge status={statusOf(check.Status)} />
            <h2>{check.Name || check.CheckID}</h2>
            <code class="quiet-text">{check.CheckID}</code>
            <span class="meta">
              {showService && (check.ServiceName || m.checks.node)} {check.Type}
            </span>
          </header>
          {check.Notes && <p class="notes">{check.Notes}</p>}
          <Output text={check.Output} />
          {history && <Timeline history={history.get(check.CheckID)} status={check.Status} />}
        </li>
      ))}
    </ul>
  );
}

function Output({ text }: { text: string }) {
  if (!text) return <p class="notes">{m.checks.noOutput}</p>;
  return (
    <div class="output">
      <pre tabIndex={text.length > 2000 ? 0 : undefined}>{text}</pre>
      <Copy text={text} what={m.checks.output.toLowerCase()} />
    </div>
  );
}

/** A strip of the last day, and each change with what was said. */
function Timeline({ history, status }: { history: CheckHistory | undefined; status: string }) {
  const end = now.value;
  const changes = history?.Changes ?? [];
  const parts = segments(changes, status, end - DAY, end);
  return (
    <details class="timeline">
      <summary>
        <span class="quiet-text">
          {m.checks.history}: {changes.length === 0 ? m.checks.steady : m.checks.flaps(changes.length, history?.Flaps ?? 0)}
        </span>
      </summary>
      <p class="notes">{m.checks.historyText}</p>
      <div class="strip" aria-hidden="true">
        {parts.map((part) => (
          <span key={part.from} class={part.status} style={{ flexGrow: part.share }} />
        ))}
      </div>
      <ol class="plain">
        {[...changes].reverse().slice(0, 50).map((change) => (
          <li key={`${change.Index}/${change.Time}`}>
            <Time at={change.Time / 1e6} /> {m.checks.turned(change.Before, change.Status)}
            {change.Output && <small class="quiet-text"> {change.Output.split("\n")[0]}</small>}
          </li>
        ))}
      </ol>
    </details>
  );
}
