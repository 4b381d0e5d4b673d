// What stands where data would: nothing yet, nothing at all, or why not.

import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { ApiError } from "../app/api";
import { token } from "../app/auth";
import { useLive } from "../app/live";
import { m } from "../app/messages";
import type { Member } from "../app/types";
import { signInOpen } from "./sign-in";
import { Copy } from "./small";

const PATIENCE = 150; // milliseconds before anything says that data are awaited

export function Loading() {
  const [late, setLate] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setLate(true), PATIENCE);
    return () => clearTimeout(timer);
  }, []);
  if (!late) return <div class="loading" aria-busy="true" />;
  return (
    <div class="loading" role="status" aria-label="Loading">
      {[70, 55, 80, 45, 60].map((width) => (
        <div key={width} class="skeleton" style={{ width: `${width}%` }} />
      ))}
    </div>
  );
}

export function Empty({ title, text, command, children }: { title: string; text: string; command?: string; children?: ComponentChildren }) {
  return (
    <div class="empty">
      <h2>{title}</h2>
      <p>{text}</p>
      {command && (
        <p class="command">
          <code>{command}</code>
          <Copy text={command} what="command" />
        </p>
      )}
      {children}
    </div>
  );
}

export function Failure({ error, retry }: { error: ApiError; retry?: () => void }) {
  if (error.isNoLeader) return <NoLeader retry={retry} />;
  const explanation =
    error.status === 403
      ? token.value
        ? m.failure.forbidden
        : m.failure.anonymous
      : error.status === 404
        ? m.failure.missing
        : error.status === 429
          ? m.failure.slow
          : error.isUnreachable
            ? m.failure.unreachable
            : "";
  return (
    <section class="empty" role="alert">
      <h2>{m.failure.title[error.status] ?? m.failure.other(error.status)}</h2>
      {explanation && <p>{explanation}</p>}
      {error.text && !error.isUnreachable && (
        <p class="command">
          <code>{error.text}</code>
        </p>
      )}
      <p class="row">
        {error.status === 403 && (
          <button type="button" class="primary" onClick={() => (signInOpen.value = true)}>
            {m.shell.signIn}
          </button>
        )}
        {retry && (
          <button type="button" onClick={retry}>
            {m.failure.retry}
          </button>
        )}
      </p>
    </section>
  );
}

function NoLeader({ retry }: { retry?: (() => void) | undefined }) {
  const members = useLive<Member[]>("/v1/agent/members", { topics: [], poll: 5000 });
  return (
    <section class="empty" role="alert">
      <h2>{m.shell.noLeader}</h2>
      <p>{m.failure.noLeader}</p>
      <ul class="plain">
        {(members.data ?? []).map((one) => (
          <li key={one.Name}>
            <strong>{one.Name}</strong> <code>{one.Addr}</code> {m.members.statuses[one.Status] ?? one.Status}
          </li>
        ))}
      </ul>
      {retry && (
        <button type="button" onClick={retry}>
          {m.failure.retry}
        </button>
      )}
    </section>
  );
}
