// Two people changed one value: what it was, theirs, yours, and what differs.

import { useEffect, useRef } from "preact/hooks";
import { m } from "../app/messages";
import { difference } from "../app/values";

interface ConflictProps {
  base: string;
  theirs: string;
  mine: string;
  onMine: () => void;
  onTheirs: () => void;
  onEdit: () => void;
}

const SIGNS = { same: " ", mine: "+", theirs: "−" };

export function Conflict({ base, theirs, mine, onMine, onTheirs, onEdit }: ConflictProps) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => heading.current?.focus(), []);
  return (
    <section aria-labelledby="conflict">
      <h2 id="conflict" ref={heading} tabIndex={-1}>
        {m.keys.conflict}
      </h2>
      <p class="hint">{m.keys.conflictText}</p>
      <div class="difference" tabIndex={0} role="group" aria-label={m.keys.showDifference}>
        {difference(theirs, mine).map((line, at) => (
          <pre key={at} class={line.kind}>
            {SIGNS[line.kind]} {line.text}
          </pre>
        ))}
      </div>
      <div class="versions">
        {(
          [
            [m.keys.base, base],
            [m.keys.theirs, theirs],
            [m.keys.mine, mine],
          ] as const
        ).map(([title, text]) => (
          <div key={title}>
            <h3>{title}</h3>
            <pre class="value" tabIndex={0} aria-label={title}>
              {text}
            </pre>
          </div>
        ))}
      </div>
      <div class="buttons">
        <button type="button" onClick={onTheirs}>
          {m.keys.takeTheirs}
        </button>
        <button type="button" onClick={onEdit}>
          {m.keys.goOn}
        </button>
        <button type="button" class="danger" onClick={onMine}>
          {m.keys.keepMine}
        </button>
      </div>
    </section>
  );
}
