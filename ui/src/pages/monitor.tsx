import { useEffect, useRef, useState } from "preact/hooks";
import { address, ApiError, send } from "../app/api";
import { token } from "../app/auth";
import { m } from "../app/messages";
import { Failure } from "../parts/feedback";
import { Icon } from "../parts/icons";
import { Heading } from "../parts/small";

const LEVELS = ["trace", "debug", "info", "warn", "error"];
const KEPT = 5000; // lines

export function Monitor() {
  const [level, setLevel] = useState("info");
  const [lines, setLines] = useState<string[]>([]);
  const [isPaused, setPaused] = useState(false);
  const [wanted, setWanted] = useState("");
  const [failure, setFailure] = useState<ApiError | null>(null);
  const [attempt, setAttempt] = useState(0);
  const paused = useRef(false);
  paused.current = isPaused;
  const held = useRef<string[]>([]);
  const log = useRef<HTMLPreElement>(null);
  const add = (more: string[]) => {
    if (paused.current) held.current = [...held.current, ...more].slice(-KEPT);
    else setLines((now) => [...now, ...more].slice(-KEPT));
  };
  useEffect(() => {
    const whole = new AbortController();
    setFailure(null);
    follow(level, whole.signal, add).catch((error: unknown) => {
      if (whole.signal.aborted) return;
      setFailure(error instanceof ApiError ? error : new ApiError(0, m.monitor.ended, "/v1/agent/monitor"));
    });
    return () => whole.abort();
  }, [level, token.value, attempt]);
  useEffect(() => {
    const own = log.current;
    if (own && own.scrollHeight - own.scrollTop - own.clientHeight < 200) own.scrollTop = own.scrollHeight;
  }, [lines]);
  const toggle = () => {
    if (isPaused) {
      const more = held.current;
      held.current = [];
      setLines((now) => [...now, ...more].slice(-KEPT));
    }
    setPaused(!isPaused);
  };
  const low = wanted.toLowerCase();
  const shown = low ? lines.filter((line) => line.toLowerCase().includes(low)) : lines;
  return (
    <>
      <Heading title={m.monitor.title} count={m.monitor.lines(shown.length)} />
      <div class="filters" role="search" aria-label={m.monitor.title}>
        <label class="search">
          <span class="visually-hidden">{m.monitor.find}</span>
          <Icon name="search" />
          <input type="search" data-search placeholder={m.monitor.find} value={wanted} onInput={(event) => setWanted(event.currentTarget.value)} />
        </label>
        <label>
          <span class="visually-hidden">{m.monitor.level}</span>
          <select
            value={level}
            onChange={(event) => {
              setLines([]);
              setLevel(event.currentTarget.value);
            }}
          >
            {LEVELS.map((one) => (
              <option key={one}>{one}</option>
            ))}
          </select>
        </label>
        <button type="button" aria-pressed={isPaused} onClick={toggle}>
          {isPaused ? m.monitor.resume : m.monitor.pause}
        </button>
        <button type="button" class="quiet" onClick={() => setLines([])}>
          {m.monitor.clear}
        </button>
      </div>
      {failure && <Failure error={failure} retry={() => setAttempt(attempt + 1)} />}
      <pre class="log" ref={log} tabIndex={0} role="log" aria-live="off" aria-label={m.monitor.title}>
        {shown.length ? shown.join("\n") : m.monitor.waiting}
      </pre>
    </>
  );
}

/** Reads the agent's log until the signal, or until it ends, which is an error. Lines come in batches of 100 ms. */
async function follow(level: string, signal: AbortSignal, add: (lines: string[]) => void): Promise<never> {
  const answer = await send(address("/v1/agent/monitor", { loglevel: level }), { signal });
  const reader = answer.body!.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  let batch: string[] = [];
  const flush = setInterval(() => {
    if (batch.length) add(batch);
    batch = [];
  }, 100);
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) throw new ApiError(0, m.monitor.ended, "/v1/agent/monitor");
      const parts = (rest + value).split("\n");
      rest = parts.pop() ?? "";
      batch.push(...parts);
    }
  } finally {
    clearInterval(flush);
  }
}
