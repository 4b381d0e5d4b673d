import type { ComponentChildren } from "preact";
import type { Status } from "../app/health";
import { m } from "../app/messages";

const stroke = { fill: "none", stroke: "currentColor", "stroke-width": 1.5, "stroke-linecap": "round", "stroke-linejoin": "round" } as const;

const SHAPES: Record<string, ComponentChildren> = {
  services: <path {...stroke} d="M2.5 2.5h4.5v4.5h-4.5zM9 2.5h4.5v4.5h-4.5zM2.5 9h4.5v4.5h-4.5zM11.25 9v4.5M9 11.25h4.5" />,
  nodes: <path {...stroke} d="M2.5 3h11v4h-11zM2.5 9h11v4h-11zM5 5h.01M5 11h.01" />,
  kv: <path {...stroke} d="M6 10a3 3 0 1 1 2.8-4h5.2v3h-2v2h-2.2v-2H8.8A3 3 0 0 1 6 10zM5.5 7h.01" />,
  intentions: <path {...stroke} d="M2.5 5.5h9M9 3l2.5 2.5L9 8M13.5 10.5h-9M7 8l-2.5 2.5L7 13" />,
  queries: <path {...stroke} d="M7 11.5a4.5 4.5 0 1 1 0-9 4.5 4.5 0 0 1 0 9zM10.3 10.3l3.2 3.2" />,
  sessions: <path {...stroke} d="M4 7.5h8v6H4zM5.5 7.5V5a2.5 2.5 0 0 1 5 0v2.5" />,
  overview: <path {...stroke} d="M2.5 13.5v-4M6.2 13.5v-8M9.8 13.5v-6M13.5 13.5v-11" />,
  members: <path {...stroke} d="M6 7.5a2.5 2.5 0 1 1 0-5 2.5 2.5 0 0 1 0 5zM1.5 13.5c0-2.5 2-4 4.5-4s4.5 1.5 4.5 4M11 3a2.3 2.3 0 0 1 0 4.300M12 9.800c1.5.5 2.5 1.8 2.5 3.7" />,
  topology: <path {...stroke} d="M8 5.500a1.750 1.750 0 1 0 0-3.5 1.750 1.750 0 0 0 0 3.500zM3.5 14a1.750 1.750 0 1 0 0-3.5 1.750 1.750 0 0 0 0 3.500zM12.5 14a1.750 1.750 0 1 0 0-3.5 1.750 1.750 0 0 0 0 3.500zM7.2 5.3 4.3 10.700M8.8 5.300l2.9 5.400M5.250 12.250h5.5" />,
  events: <path {...stroke} d="M9 1.5 3 9h4.500l-.5 5.500L13 7H8.500z" />,
  monitor: <path {...stroke} d="M2 3h12v10H2zM4.5 6l2 2-2 2M8.5 10h3" />,
  snapshots: <path {...stroke} d="M8 2v7.500M5 6.500l3 3 3-3M2.5 11v2.500h11V11" />,
  acls: <path {...stroke} d="M8 1.5 13 3.500v4c0 3.5-2 5.7-5 7-3-1.3-5-3.5-5-7v-4z" />,
  settings: <path {...stroke} d="M2 4.500h7M12 4.500h2M2 11.500h2M7 11.500h7M10.5 6.250a1.750 1.750 0 1 0 0-3.5 1.750 1.750 0 0 0 0 3.500zM5.5 13.250a1.750 1.750 0 1 0 0-3.5 1.750 1.750 0 0 0 0 3.500z" />,
  copy: <path {...stroke} d="M5.5 5.500h8v8h-8zM3.5 10.500h-1v-8h8v1" />,
  tick: <path {...stroke} d="M3 8.5 6.5 12 13 4.5" />,
  cross: <path {...stroke} d="M4 4l8 8M12 4l-8 8" />,
  menu: <path {...stroke} d="M2.5 4h11M2.5 8h11M2.5 12h11" />,
  search: <path {...stroke} d="M7 11.500a4.5 4.5 0 1 1 0-9 4.5 4.5 0 0 1 0 9zM10.3 10.300l3.2 3.2" />,
  folder: <path {...stroke} d="M1.5 3.500h5l1.5 2h6.500v8h-13z" />,
  file: <path {...stroke} d="M3.5 1.500h6l3 3v10h-9zM9.5 1.500v3h3" />,
  down: <path {...stroke} d="M4 6l4 4 4-4" />,
  link: <path {...stroke} d="M9 2.500h4.500V7M13.5 2.5 8 8M6.5 3.500h-4v10h10v-4" />,
  sun: <path {...stroke} d="M8 11a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM8 1.500v1M8 13.500v1M1.5 8h1M13.5 8h1M3.4 3.400l.7.7M11.9 11.900l.7.7M3.4 12.600l.7-.7M11.9 4.100l.7-.7" />,
  moon: <path {...stroke} d="M13.5 9.500A6 6 0 0 1 6.5 2.500a6 6 0 1 0 7 7z" />,
  half: <path {...stroke} d="M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM8 2v12" />,
  person: <path {...stroke} d="M8 8a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM2.5 14c0-3 2.5-4.5 5.5-4.500s5.5 1.5 5.5 4.5" />,
  warning: <path {...stroke} d="M8 2 14.5 13.500h-13zM8 6.500v3M8 11.500h.01" />,
  up: <path {...stroke} d="M8 13V3.500M4 7.500l4-4 4 4" />,
};

export function Icon({ name }: { name: keyof typeof SHAPES | string }) {
  return (
    <svg class="icon" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
      {SHAPES[name]}
    </svg>
  );
}

const STATUS_SHAPES: Record<Status, ComponentChildren> = {
  passing: (
    <>
      <circle cx="8" cy="8" r="6.5" fill="currentColor" />
      <path d="M5 8.3 7.2 10.5 11 5.9" fill="none" stroke="var(--ground)" stroke-width="1.8" />
    </>
  ),
  warning: (
    <>
      <path d="M8 1.5 15 14H1z" fill="currentColor" />
      <path d="M8 6v4M8 11.200v1.3" fill="none" stroke="var(--ground)" stroke-width="1.7" />
    </>
  ),
  critical: (
    <>
      <path d="M5.3 1.500h5.400l3.8 3.800v5.400l-3.8 3.800H5.300l-3.8-3.800V5.300z" fill="currentColor" />
      <path d="M5.5 5.500l5 5M10.5 5.500l-5 5" fill="none" stroke="var(--ground)" stroke-width="1.8" />
    </>
  ),
  unknown: <circle cx="8" cy="8" r="6" fill="none" stroke="currentColor" stroke-width="1.5" stroke-dasharray="2.6 2.1" />,
};

/** A status as icon, word and colour. */
export function StatusBadge({ status, label }: { status: Status; label?: string }) {
  return (
    <span class={`status ${status}`}>
      <svg class="icon" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
        {STATUS_SHAPES[status]}
      </svg>
      <span class="word">{label ?? m.status[status]}</span>
    </span>
  );
}
