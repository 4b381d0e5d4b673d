// The stream of changes of Muster's servers: one for the tab, for the topics that are on screen.

import { effect, signal } from "@preact/signals";
import { address, ApiError, send } from "./api";
import { token } from "./auth";
import { pause } from "./blocking";
import { failed, hidden, reached } from "./connection";
import { EventParser, type StreamEvent } from "./events";
import { preferences } from "./preferences";
import { settings } from "./settings";

type Change = { Topic: string; Key: string; Kind: string };
type Wake = (topics: ReadonlySet<string> | null, index: number) => void; // null: whatever the topic

class Stream {
  readonly isOpen = signal(false);
  private readonly needed = new Map<string, number>();
  private readonly waiting = new Set<Wake>();
  private readonly latest = new Map<string, number>(); // by topic, the index of its last change
  private known = 0; // the index up to which all is told
  private connection: AbortController | null = null;
  private topics = "";
  private failures = 0;
  private isOffered = settings.features.includes("muster/stream");
  private timer: ReturnType<typeof setTimeout> | undefined;

  need(topics: string[]): void {
    for (const topic of topics) this.needed.set(topic, (this.needed.get(topic) ?? 0) + 1);
    this.soon();
  }

  release(topics: string[]): void {
    for (const topic of topics) {
      const left = (this.needed.get(topic) ?? 1) - 1;
      if (left > 0) this.needed.set(topic, left);
      else this.needed.delete(topic);
    }
    this.soon();
  }

  /** Whether it will be there in a moment, so that nobody need begin to wait in another way. */
  get isAwaited(): boolean {
    return this.isOffered && !this.isOpen.peek() && this.failures === 0 && this.needed.size > 0;
  }

  /** Resolves when one of the topics changed after `index`, when the stream ends, or after so many milliseconds. */
  next(topics: string[], index: number, limit: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted || topics.some((topic) => (this.latest.get(topic) ?? 0) > index)) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(done, limit);
      const wake: Wake = (changed) => {
        if (changed === null || topics.some((topic) => changed.has(topic))) done();
      };
      const waiting = this.waiting;
      function done() {
        clearTimeout(timer);
        waiting.delete(wake);
        signal.removeEventListener("abort", done);
        resolve();
      }
      waiting.add(wake);
      signal.addEventListener("abort", done);
    });
  }

  /** Connects anew if what is needed has changed; pages come and go in the same moment, so a little later. */
  soon(milliseconds = 30): void {
    if (!this.isOffered) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.update(), milliseconds);
  }

  private update(): void {
    const wanted = hidden.peek() || !preferences.peek().live ? "" : [...this.needed.keys()].sort().join(",");
    if (wanted === this.topics && (this.connection !== null || wanted === "")) return;
    this.connection?.abort();
    this.connection = null;
    this.topics = wanted;
    if (wanted === "") this.closed();
    else void this.connect(wanted);
  }

  private async connect(topics: string): Promise<void> {
    const connection = (this.connection = new AbortController());
    const { signal } = connection;
    let error: unknown = null;
    try {
      const answer = await send(address("/v1/muster/stream", { topics, index: this.known || undefined }), { signal });
      await this.read(answer, signal);
    } catch (raised) {
      error = raised;
    }
    if (this.connection !== connection) return; // another has taken its place
    this.connection = null;
    this.closed();
    if (error instanceof ApiError && [400, 403, 404].includes(error.status)) {
      this.isOffered = false;
      return;
    }
    this.failures++;
    const seconds = pause(this.failures, Math.random());
    failed(Date.now() + seconds * 1000);
    this.soon(seconds * 1000);
  }

  private async read(answer: Response, signal: AbortSignal): Promise<void> {
    const reader = answer.body!.pipeThrough(new TextDecoderStream()).getReader();
    const parser = new EventParser();
    for (;;) {
      const { done, value } = await reader.read();
      if (done || signal.aborted) return;
      for (const event of parser.feed(value)) this.take(event);
    }
  }

  private take(event: StreamEvent): void {
    const { Index, Changes } = JSON.parse(event.data) as { Index: number; Changes: Change[] };
    reached();
    this.failures = 0;
    const isFirst = !this.isOpen.peek();
    const topics = new Set(Changes.map((change) => change.Topic));
    for (const topic of topics) this.latest.set(topic, Index);
    this.known = Index;
    this.isOpen.value = true;
    if (event.event === "reset") this.latest.clear();
    this.wake(isFirst || event.event === "reset" ? null : topics, Index);
  }

  private closed(): void {
    this.isOpen.value = false;
    this.wake(null, 0);
  }

  private wake(topics: ReadonlySet<string> | null, index: number): void {
    if (topics !== null && topics.size === 0) return;
    for (const one of [...this.waiting]) one(topics, index);
  }
}

export const stream = new Stream();

export function watchStream(): void {
  effect(() => {
    void [hidden.value, preferences.value.live, token.value];
    stream.soon();
  });
}
