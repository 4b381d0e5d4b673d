// A list of one kind of thing: search, filters, sort, and a table that draws only what is on screen.

import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import type { Status } from "../app/health";
import { choose, counts, type Facet, search, type Sort, sort, visible } from "../app/list";
import type { Live } from "../app/live";
import { m } from "../app/messages";
import { preferences } from "../app/preferences";
import { query, setQuery } from "../app/router";
import { Empty, Failure, Loading } from "./feedback";
import { Icon } from "./icons";
import { useMarks, useStillOrder } from "./rows";
import { Heading } from "./small";

export interface Column<T> {
  key: string; // of the sort that the heading switches, if there is one
  title: string;
  cell: (row: T) => ComponentChildren;
  width?: string;
  kind?: "number" | "number quiet" | "name" | "quiet" | "wide" | "state"; // quiet: grey, not on narrow screens; wide: also only on very wide ones
}

interface ListProps<T> {
  title: string;
  live: Pick<Live<unknown>, "error" | "refresh" | "at">;
  rows: T[] | undefined;
  id: (row: T) => string;
  text: (row: T) => string;
  columns: Column<T>[];
  facets?: Facet<T>[];
  sorts: Sort<T>[];
  status?: (row: T) => Status;
  essence?: (row: T) => unknown; // what of a row counts as its change
  empty: ComponentChildren;
  actions?: ComponentChildren;
  isPart?: boolean; // a part of a page that has its heading already
}

export function List<T>(props: ListProps<T>) {
  const { rows, live, facets = [], sorts } = props;
  const asked = query.value;
  const wanted = asked.get("filter") ?? "";
  const order = asked.get("sort") ?? "";
  const chosen = Object.fromEntries(facets.map((facet) => [facet.key, (asked.get(facet.key) ?? "").split(",").filter(Boolean)]));
  // Sorted first: a keystroke then only takes rows away.
  const ordered = useMemo(() => sort(rows ?? [], sorts, order), [rows, order]);
  const found = useMemo(() => search(ordered, wanted, props.text), [ordered, wanted]);
  const sorted = useMemo(() => choose(found, facets, chosen), [found, asked.toString()]);
  const marks = useMarks(rows, props.id, props.essence);
  const still = useStillOrder(sorted, props.id, asked.toString());
  const all = rows?.length ?? 0;
  useEffect(() => {
    if (all > 0 && performance.getEntriesByName("first-data").length === 0) performance.mark("first-data");
  }, [all > 0]);
  return (
    <>
      {!props.isPart && (
        <Heading title={props.title} count={rows && m.total(all)}>
          {props.actions}
        </Heading>
      )}
      {rows && all > 0 && (
        <Filters facets={facets} rows={found} chosen={chosen} sorts={sorts} order={order} wanted={wanted} title={props.title}>
          {props.isPart && props.actions}
        </Filters>
      )}
      {!rows && (live.error ? <Failure error={live.error} retry={live.refresh} /> : <Loading />)}
      {rows && live.error && !live.error.isUnreachable && !live.error.isNoLeader && <Failure error={live.error} retry={live.refresh} />}
      {rows && all === 0 && props.empty}
      {rows && all > 0 && still.rows.length === 0 && (
        <Empty title={m.list.none} text={m.list.noneText}>
          <button type="button" onClick={() => clear(facets)}>
            {m.list.clear}
          </button>
        </Empty>
      )}
      {still.rows.length > 0 && (
        <div onMouseEnter={() => still.setInside(true)} onMouseLeave={() => still.setInside(false)}>
          {still.moved > 0 && (
            <button type="button" class="resort" onClick={still.resort}>
              {m.list.resort(still.moved)}
            </button>
          )}
          <Table {...props} rows={still.rows} marks={marks} order={order} setInside={still.setInside} />
        </div>
      )}
      <p class="visually-hidden" role="status">
        {rows ? m.shown(still.rows.length, all) : ""}
      </p>
    </>
  );
}

function clear(facets: readonly { key: string }[]): void {
  setQuery(Object.fromEntries([["filter", ""], ...facets.map((facet) => [facet.key, ""])]));
}

interface FilterProps<T> {
  facets: Facet<T>[];
  rows: T[];
  chosen: Record<string, string[]>;
  sorts: Sort<T>[];
  order: string;
  wanted: string;
  title: string;
  children: ComponentChildren;
}

function Filters<T>({ facets, rows, chosen, sorts, order, wanted, title, children }: FilterProps<T>) {
  const isActive = wanted !== "" || Object.values(chosen).some((one) => one.length > 0);
  return (
    <div class="filters" role="search" aria-label={title}>
      <label class="search">
        <span class="visually-hidden">{m.list.search}</span>
        <Icon name="search" />
        <input
          type="search"
          data-search
          placeholder={m.list.search}
          value={wanted}
          onInput={(event) => setQuery({ filter: event.currentTarget.value })}
        />
      </label>
      {facets.map((facet) => (
        <FacetMenu key={facet.key} facet={facet} values={counts(rows, facet)} chosen={chosen[facet.key] ?? []} />
      ))}
      {sorts.length > 1 && (
        <label class="sort">
          <span class="visually-hidden">{m.list.sort}</span>
          <select value={order || `${sorts[0]?.key}:asc`} onChange={(event) => setQuery({ sort: event.currentTarget.value })}>
            {sorts.flatMap((one) => [
              <option key={`${one.key}:asc`} value={`${one.key}:asc`}>{`${one.title}, ${m.list.ascending}`}</option>,
              <option key={`${one.key}:desc`} value={`${one.key}:desc`}>{`${one.title}, ${m.list.descending}`}</option>,
            ])}
          </select>
        </label>
      )}
      {isActive && (
        <button type="button" class="quiet" onClick={() => clear(facets)}>
          {m.list.clear}
        </button>
      )}
      {children}
    </div>
  );
}

function FacetMenu<T>({ facet, values, chosen }: { facet: Facet<T>; values: [string, number][]; chosen: string[] }) {
  const menu = useRef<HTMLDetailsElement>(null);
  useEffect(() => {
    const outside = (event: Event) => {
      const own = menu.current;
      if (own?.open && !own.contains(event.target as Node)) own.open = false;
    };
    document.addEventListener("pointerdown", outside);
    document.addEventListener("focusin", outside);
    return () => {
      document.removeEventListener("pointerdown", outside);
      document.removeEventListener("focusin", outside);
    };
  }, []);
  if (values.length < 2 && chosen.length === 0) return null;
  const shown = [...values, ...chosen.filter((one) => !values.some(([value]) => value === one)).map((one): [string, number] => [one, 0])];
  const toggle = (value: string) => {
    const next = chosen.includes(value) ? chosen.filter((one) => one !== value) : [...chosen, value];
    setQuery({ [facet.key]: next.join(",") });
  };
  return (
    <details
      class="facet"
      ref={menu}
      onKeyDown={(event) => {
        if (event.key !== "Escape" || !menu.current?.open) return;
        event.stopPropagation();
        menu.current.open = false;
        menu.current.querySelector("summary")?.focus();
      }}
    >
      <summary>
        {facet.title}
        {chosen.length > 0 && <span class="chosen">{chosen.length}</span>}
        <Icon name="down" />
      </summary>
      <fieldset>
        <legend class="visually-hidden">{facet.title}</legend>
        {shown.map(([value, count]) => (
          <label key={value} class="check">
            <input type="checkbox" checked={chosen.includes(value)} onChange={() => toggle(value)} />
            <span>{value}</span>
            <span class="count">{count}</span>
          </label>
        ))}
      </fieldset>
    </details>
  );
}

interface TableProps<T> extends ListProps<T> {
  rows: T[];
  marks: ReadonlySet<string>;
  order: string;
  setInside: (inside: boolean) => void;
}

function Table<T>(props: TableProps<T>) {
  const { rows, columns, sorts, order, marks } = props;
  const body = useRef<HTMLTableSectionElement>(null);
  const height = useRowHeight();
  const window_ = useWindow(body, rows.length, height);
  const [key, direction] = (order || `${sorts[0]?.key}:asc`).split(":");
  return (
    <table
      aria-rowcount={rows.length + 1}
      onFocusIn={() => props.setInside(true)}
      onFocusOut={(event) => !event.currentTarget.contains(event.relatedTarget as Node | null) && props.setInside(false)}
    >
      <caption class="visually-hidden">{props.title}</caption>
      <thead>
        <tr aria-rowindex={1}>
          {columns.map((column) => {
            const sorts_ = sorts.some((one) => one.key === column.key);
            const isCurrent = sorts_ && column.key === key;
            return (
              <th
                key={column.title}
                scope="col"
                class={column.kind}
                style={column.width ? { width: column.width } : undefined}
                aria-sort={isCurrent ? (direction === "desc" ? "descending" : "ascending") : undefined}
              >
                {sorts_ ? (
                  <button type="button" onClick={() => setQuery({ sort: `${column.key}:${isCurrent && direction !== "desc" ? "desc" : "asc"}` })}>
                    {column.title}
                    <span class="arrow" aria-hidden="true">
                      {isCurrent ? (direction === "desc" ? "↓" : "↑") : ""}
                    </span>
                  </button>
                ) : column.key === "act" ? (
                  <span class="visually-hidden">{column.title}</span>
                ) : (
                  column.title
                )}
              </th>
            );
          })}
        </tr>
      </thead>
      <tbody ref={body}>
        <Space rows={window_.from} height={height} />
        {rows.slice(window_.from, window_.to).map((row, at) => {
          const id = props.id(row);
          const status = props.status?.(row);
          return (
            <tr key={id} aria-rowindex={window_.from + at + 2} class={`${status ?? ""} ${marks.has(id) ? "changed" : ""}`}>
              {columns.map((column) =>
                column.kind === "name" ? (
                  <th key={column.title} scope="row" class="name">
                    {column.cell(row)}
                    {marks.has(id) && <span class="mark">{m.list.changed}</span>}
                  </th>
                ) : (
                  <td key={column.title} class={column.kind}>
                    {column.cell(row)}
                  </td>
                ),
              )}
            </tr>
          );
        })}
        <Space rows={rows.length - window_.to} height={height} />
      </tbody>
    </table>
  );
}

/** Room for the rows that are not drawn. */
function Space({ rows, height }: { rows: number; height: number }) {
  if (rows <= 0) return null;
  return (
    <tr class="space" aria-hidden="true" style={{ height: `${rows * height}px` }}>
      <td />
    </tr>
  );
}

/** The height of a row in pixels, as the style sheet has it for this width, density and size of type. */
function useRowHeight(): number {
  const { dense } = preferences.value;
  const [height, setHeight] = useState(36);
  useLayoutEffect(() => {
    const measure = () => {
      const style = getComputedStyle(document.documentElement);
      setHeight(parseFloat(style.getPropertyValue("--row")) * parseFloat(style.fontSize));
    };
    measure();
    addEventListener("resize", measure);
    return () => removeEventListener("resize", measure);
  }, [dense]);
  return height;
}

function useWindow(body: { current: HTMLElement | null }, total: number, height: number) {
  const [range, setRange] = useState(() => visible(total, height, 0, innerHeight));
  useLayoutEffect(() => {
    const look = () => {
      const top = Math.max(0, -(body.current?.getBoundingClientRect().top ?? 0));
      const next = visible(total, height, top, innerHeight);
      setRange((now) => (now.from === next.from && now.to === next.to ? now : next));
    };
    look();
    addEventListener("scroll", look, { passive: true });
    addEventListener("resize", look);
    return () => {
      removeEventListener("scroll", look);
      removeEventListener("resize", look);
    };
  }, [total, height]);
  return { from: Math.min(range.from, total), to: Math.min(range.to, total) };
}
