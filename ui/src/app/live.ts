// Data that stay true: each resource is asked again when the server says that it changed.

import { effect, type Signal, signal, useSignal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import { address, ApiError, get } from "./api";
import { token } from "./auth";
import { nextIndex, pause, rest, WAIT } from "./blocking";
import { failed, hidden, leaderless, reached } from "./connection";
import { preferences } from "./preferences";
import { stream } from "./stream";

export interface State<T> {
  data: T | undefined;
  error: ApiError | null;
  at: number; // when the data were last known to be true, milliseconds since 1970; 0: never
}

export interface LiveOptions {
  topics: string[]; // of the stream of changes
  accept?: number[]; // further statuses that are answers
  poll?: number; // milliseconds: ask so often instead of waiting for changes
}

const BLOCKING_AT_ONCE = 2; // a browser has six connections to one host for all its tabs
const REMEMBERED = 24;
const remembered = new Map<string, State<unknown>>();
let blocking = 0;

token.subscribe(() => remembered.clear()); // what one token showed is not shown to the next

class Resource<T> {
  readonly state: Signal<State<T>>;
  private whole: AbortController | null = null;
  private step: AbortController | null = null;
  private index = 0;
  private failures = 0;
  private body = "";
  private unwatch: () => void = () => undefined;

  constructor(
    readonly path: string,
    private readonly options: LiveOptions,
  ) {
    const known = remembered.get(path) as State<T> | undefined;
    this.state = signal(known ? { ...known, error: null } : { data: undefined, error: null, at: 0 });
  }

  start(): void {
    this.whole = new AbortController();
    stream.need(this.options.topics);
    void this.run(this.whole.signal);
    this.unwatch = effect(() => {
      const isPaused = hidden.value || !preferences.value.live;
      if (isPaused && this.state.peek().at > 0) this.step?.abort();
    });
  }

  stop(): void {
    this.unwatch();
    this.whole?.abort();
    this.step?.abort();
    stream.release(this.options.topics);
  }

  /** Asks at once, whatever it is waiting for. */
  refresh = (): void => {
    this.index = 0;
    this.step?.abort();
  };

  private async run(whole: AbortSignal): Promise<void> {
    for (let first = true; !whole.aborted; first = false) {
      this.step = new AbortController();
      const { signal: step } = this.step;
      if (!first && (hidden.value || !preferences.value.live)) {
        await untilLive(step);
        this.index = 0;
        continue;
      }
      try {
        await this.once(step);
      } catch (error) {
        if (step.aborted) continue;
        if (!(error instanceof ApiError)) throw error;
        await this.trouble(error, step);
      }
    }
  }

  private async once(step: AbortSignal): Promise<void> {
    const waits = this.index > 0 && !this.options.poll && !this.streams && !this.awaitsStream && blocking < BLOCKING_AT_ONCE;
    const began = performance.now();
    if (waits) blocking++;
    let changed: boolean;
    try {
      const path = waits ? address(this.path, { index: this.index, wait: `${WAIT}s` }) : this.path;
      const answer = await get<T>(path, { signal: step, accept: this.options.accept ?? [] });
      changed = this.take(answer.data, answer.index);
    } finally {
      if (waits) blocking--;
    }
    await this.untilNext(performance.now() - began, waits, changed, step);
  }

  private take(data: T, index: string | null): boolean {
    this.index = nextIndex(this.index, index);
    this.failures = 0;
    reached();
    leaderless.value = false;
    const body = JSON.stringify(data);
    const changed = body !== this.body || this.state.peek().error !== null;
    this.body = body;
    this.state.value = { data: changed ? data : this.state.peek().data, error: null, at: Date.now() };
    remembered.delete(this.path);
    remembered.set(this.path, this.state.peek());
    if (remembered.size > REMEMBERED) remembered.delete(remembered.keys().next().value as string);
    return changed;
  }

  /** The stream tells of the local datacenter only, and only where the agent is a server of Muster's. */
  private get streams(): boolean {
    return stream.isOpen.peek() && !this.isElsewhere;
  }

  private get awaitsStream(): boolean {
    return stream.isAwaited && !this.isElsewhere;
  }

  private get isElsewhere(): boolean {
    return /[?&]dc=/.test(this.path);
  }

  private async untilNext(took: number, waited: boolean, changed: boolean, step: AbortSignal): Promise<void> {
    if (this.options.poll) return sleep(this.options.poll, step);
    if (this.awaitsStream) return stream.next(this.options.topics, this.index, 1000, step);
    if (this.streams) {
      await sleep(Math.max(100, 2 * took), step);
      return stream.next(this.options.topics, this.index, WAIT * 1000, step);
    }
    if (this.index > 0 && !waited && blocking >= BLOCKING_AT_ONCE) return sleep(5000, step);
    if (waited || this.index === 0) return sleep(rest(took, this.index, changed), step);
  }

  private async trouble(error: ApiError, step: AbortSignal): Promise<void> {
    this.failures++;
    this.index = 0;
    const seconds = pause(this.failures, Math.random());
    if (error.isNoLeader) leaderless.value = true;
    if (error.isUnreachable) failed(Date.now() + seconds * 1000);
    else reached();
    this.state.value = { ...this.state.peek(), error };
    // A refusal does not heal by asking often.
    const patience = error.status === 403 || error.status === 404 ? 5000 : seconds * 1000;
    await sleep(patience, step);
  }
}

export type Live<T> = State<T> & { refresh: () => void };

/** The data of a path for as long as the component is on screen; with `null` nothing is asked. */
export function useLive<T>(path: string | null, options: LiveOptions): Live<T> {
  const secret = token.value;
  const resource = useMemo(() => (path === null ? null : new Resource<T>(path, options)), [path, secret]);
  const nothing = useSignal<State<T>>({ data: undefined, error: null, at: 0 });
  useEffect(() => {
    resource?.start();
    return () => resource?.stop();
  }, [resource]);
  const state = (resource?.state ?? nothing).value;
  return { ...state, refresh: resource?.refresh ?? (() => undefined) };
}


function sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
  if (milliseconds <= 0 || signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = setTimeout(done, milliseconds);
    function done() {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    }
    signal.addEventListener("abort", done);
  });
}

function untilLive(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const ends = [
      hidden.subscribe(look),
      preferences.subscribe(look),
    ];
    signal.addEventListener("abort", done);
    function look() {
      if (!hidden.peek() && preferences.peek().live) queueMicrotask(done);
    }
    function done() {
      ends.forEach((end) => end());
      signal.removeEventListener("abort", done);
      resolve();
    }
  });
}
