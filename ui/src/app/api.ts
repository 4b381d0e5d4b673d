// Requests to /v1 of the host that served the page.

import { token } from "./auth";

export class ApiError extends Error {
  constructor(
    readonly status: number, // 0: nobody answered
    readonly text: string,
    readonly path: string,
  ) {
    super(status ? `${status} ${text}` : text);
  }

  get isUnreachable(): boolean {
    return this.status === 0;
  }

  get isNoLeader(): boolean {
    return this.status === 500 && /no cluster leader/i.test(this.text);
  }

  get isAclOff(): boolean {
    return this.status === 401 && /ACL support disabled/i.test(this.text);
  }
}

export interface Answer<T> {
  data: T;
  index: string | null;
  headers: Headers;
}

export interface Options {
  method?: string;
  body?: unknown;
  text?: string | Uint8Array<ArrayBuffer>;
  signal?: AbortSignal;
  accept?: number[]; // further statuses that are answers and no errors
}

/** One answer as it came. Raises ApiError for every status from 300 up, and where nobody answers. */
export async function send(path: string, options: Options = {}): Promise<Response> {
  const headers: Record<string, string> = {};
  if (token.value) headers["X-Consul-Token"] = token.value;
  const init: RequestInit = { method: options.method ?? "GET", headers, cache: "no-store", credentials: "same-origin" };
  if (options.signal) init.signal = options.signal;
  if (options.body !== undefined) init.body = JSON.stringify(options.body);
  else if (options.text !== undefined) init.body = options.text;
  let answer: Response;
  try {
    answer = await fetch(path, init);
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new ApiError(0, "The agent does not answer", path);
  }
  if (!answer.ok && !options.accept?.includes(answer.status)) {
    const text = await answer.text().catch(() => "");
    throw new ApiError(answer.status, text.trim().slice(0, 2000) || answer.statusText, path);
  }
  return answer;
}

export async function get<T>(path: string, options: Options = {}): Promise<Answer<T>> {
  const answer = await send(path, options);
  try {
    return { data: (await answer.json()) as T, index: answer.headers.get("X-Consul-Index"), headers: answer.headers };
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new ApiError(0, "The answer broke off or is no JSON", path);
  }
}

/** A write; resolves to the JSON that came back, or to undefined where nothing did. */
export async function put<T = unknown>(path: string, options: Options = {}): Promise<T> {
  const text = await (await send(path, { method: "PUT", ...options })).text();
  try {
    return (text ? JSON.parse(text) : undefined) as T;
  } catch {
    return text as T;
  }
}

export function remove<T = unknown>(path: string): Promise<T> {
  return put<T>(path, { method: "DELETE" });
}

/** A path with a query; empty and undefined values are left out, `true` stands without a value. */
export function address(path: string, query: Record<string, string | number | boolean | undefined>): string {
  const parts = Object.entries(query)
    .filter(([, value]) => value !== undefined && value !== "" && value !== false)
    .map(([name, value]) => (value === true ? name : `${name}=${encodeURIComponent(String(value))}`));
  return parts.length ? `${path}${path.includes("?") ? "&" : "?"}${parts.join("&")}` : path;
}

/** A name with slashes as a part of a path: every part escaped, the slashes kept. */
export function escapeKey(key: string): string {
  return key.split("/").map(encodeURIComponent).join("/");
}
