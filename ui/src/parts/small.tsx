// Small parts that every page uses.

import { Component, type ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { now } from "../app/connection";
import { m } from "../app/messages";
import { preferences } from "../app/preferences";
import { exact, relative } from "../app/time";
import { Icon } from "./icons";
import { announce } from "./toast";

export function Copy({ text, what }: { text: string; what: string }) {
  const [done, setDone] = useState(false);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      announce(m.copy.failed, "critical");
      return;
    }
    setDone(true);
    announce(m.copy.done);
    setTimeout(() => setDone(false), 1500);
  };
  return (
    <button type="button" class="quiet copy" aria-label={m.copy.verb(what)} title={m.copy.verb(what)} onClick={copy}>
      <Icon name={done ? "tick" : "copy"} />
    </button>
  );
}

/** An id, an address: in monospace, to copy. */
export function Code({ text, what }: { text: string; what: string }) {
  return (
    <span class="code">
      <code>{text}</code>
      <Copy text={text} what={what} />
    </span>
  );
}

export function Time({ at }: { at: number }) {
  if (at <= 0) return <span>{m.time.never}</span>;
  const whole = exact(at);
  const shown = preferences.value.absoluteTime ? whole : relative(at, now.value);
  return (
    <time dateTime={new Date(at).toISOString()} title={whole}>
      {shown}
    </time>
  );
}

export function Tags({ tags }: { tags: string[] | null | undefined }) {
  if (!tags?.length) return null;
  return (
    <ul class="tags" aria-label={m.services.tags}>
      {tags.map((tag) => (
        <li key={tag}>{tag}</li>
      ))}
    </ul>
  );
}

export function Facts({ facts }: { facts: [string, ComponentChildren][] }) {
  return (
    <dl class="facts">
      {facts
        .filter(([, value]) => value !== null && value !== undefined && value !== "" && value !== false)
        .map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
    </dl>
  );
}

export function Tabs({ label, tabs, current }: { label: string; tabs: [id: string, title: string, href: string, count?: number][]; current: string }) {
  return (
    <nav class="tabs" aria-label={label}>
      <ul>
        {tabs.map(([id, title, target, count]) => (
          <li key={id}>
            <a href={target} aria-current={id === current ? "page" : undefined}>
              {title}
              {count !== undefined && <span class="count"> {count}</span>}
            </a>
          </li>
        ))}
      </ul>
    </nav>
  );
}

/** The heading of a page. It takes the focus when the page is come to, so that a screen reader begins there. */
export function Heading({ title, count, children }: { title: string; count?: string; children?: ComponentChildren }) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = m.shell.page(title);
    const focused = document.activeElement;
    if (!focused || focused === document.body || !focused.isConnected || focused.closest("nav, header, dialog")) {
      heading.current?.focus({ preventScroll: true });
    }
  }, [title]);
  return (
    <header class="heading">
      <h1 ref={heading} tabIndex={-1}>
        {title}
        {count && <span class="count"> {count}</span>}
      </h1>
      {children && <div class="actions">{children}</div>}
    </header>
  );
}

export function Crumbs({ items }: { items: [title: string, href: string][] }) {
  return (
    <nav class="crumbs" aria-label="Breadcrumb">
      <ol>
        {items.map(([title, target]) => (
          <li key={target}>
            <a href={target}>{title}</a>
          </li>
        ))}
      </ol>
    </nav>
  );
}

export function Notice({ kind, children }: { kind: "info" | "warning" | "critical"; children: ComponentChildren }) {
  return (
    <div class={`notice ${kind}`} role="status">
      <Icon name="warning" />
      <div>{children}</div>
    </div>
  );
}

/** Keeps a failure of one part from taking the page with it. */
export class Boundary extends Component<{ children: ComponentChildren }, { failure: Error | null }> {
  override state = { failure: null as Error | null };

  static override getDerivedStateFromError(failure: Error) {
    return { failure };
  }

  override componentDidCatch(): void {
    // the state says it; nothing is sent anywhere
  }

  override render() {
    const { failure } = this.state;
    if (!failure) return this.props.children;
    const report = `${failure.name}: ${failure.message}\n${failure.stack ?? ""}`;
    return (
      <section class="panel failure" role="alert">
        <h2>{m.failure.crashed}</h2>
        <p>{failure.message}</p>
        <p class="row">
          <button type="button" onClick={() => this.setState({ failure: null })}>
            {m.failure.retry}
          </button>
          <Copy text={report} what={m.failure.report} />
        </p>
      </section>
    );
  }
}
