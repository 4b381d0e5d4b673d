// Values of keys: between base64 on the wire, text in the editor and hex where it is no text. And what kind of text it is.

export interface Value {
  bytes: Uint8Array<ArrayBuffer>;
  text: string | null; // null: not UTF-8, or with control characters
}

export function decode(base64: string | null): Value {
  const bytes = Uint8Array.from(atob(base64 ?? ""), (one) => one.charCodeAt(0));
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    return { bytes, text: /[\x00-\x08\x0b\x0e-\x1f]/.test(text) ? null : text };
  } catch {
    return { bytes, text: null };
  }
}

/** Hex and characters side by side, as hexdump shows them. */
export function hex(bytes: Uint8Array, most = 4096): string {
  const lines: string[] = [];
  for (let at = 0; at < Math.min(bytes.length, most); at += 16) {
    const part = [...bytes.subarray(at, at + 16)];
    const digits = part.map((one) => one.toString(16).padStart(2, "0")).join(" ");
    const shown = part.map((one) => (one >= 32 && one < 127 ? String.fromCharCode(one) : "·")).join("");
    lines.push(`${at.toString(16).padStart(8, "0")}  ${digits.padEnd(47)}  ${shown}`);
  }
  if (bytes.length > most) lines.push(`… ${bytes.length - most} more bytes`);
  return lines.join("\n");
}

export type Syntax = "JSON" | "YAML" | "HCL" | "TOML" | "plain text";

export function syntaxOf(text: string): Syntax {
  const trimmed = text.trim();
  if (/^[{[]/.test(trimmed) && !/^\[[\w.-]+\]\s*$/m.test(trimmed.split("\n")[0] ?? "")) return "JSON";
  if (/^\s*\[[\w."-]+\]\s*$/m.test(text) && /^\s*[\w.-]+\s*=/m.test(text)) return "TOML";
  if (/^\s*[\w-]+(\s+"[^"]*")*\s*\{\s*$/m.test(text)) return "HCL";
  if (/^(---|[\w-]+:(\s|$))/m.test(trimmed) && !/[;{}]\s*$/m.test(trimmed)) return "YAML";
  return "plain text";
}

/** What is wrong with the text, in a sentence; empty where nothing is, or nobody knows. */
export function complaint(text: string, syntax: Syntax): string {
  if (syntax !== "JSON") return syntax === "YAML" && /^\t/m.test(text) ? "YAML is indented with blanks, not with tabs" : "";
  try {
    JSON.parse(text);
    return "";
  } catch (error) {
    return error instanceof Error ? error.message : "";
  }
}

export interface DiffLine {
  kind: "same" | "mine" | "theirs";
  text: string;
}

const LONGEST_DIFF = 2000; // lines; more are shown whole

/** What two texts have in common and what each has alone, line by line. */
export function difference(theirs: string, mine: string): DiffLine[] {
  const a = theirs.split("\n");
  const b = mine.split("\n");
  if (a.length > LONGEST_DIFF || b.length > LONGEST_DIFF) {
    return [...a.map((text): DiffLine => ({ kind: "theirs", text })), ...b.map((text): DiffLine => ({ kind: "mine", text }))];
  }
  const width = b.length + 1;
  const common = new Uint16Array((a.length + 1) * width);
  const length = (i: number, j: number) => common[i * width + j] ?? 0;
  for (let i = a.length - 1; i >= 0; i--)
    for (let j = b.length - 1; j >= 0; j--)
      common[i * width + j] = a[i] === b[j] ? length(i + 1, j + 1) + 1 : Math.max(length(i + 1, j), length(i, j + 1));
  const lines: DiffLine[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) lines.push({ kind: "same", text: a[i] as string }), i++, j++;
    else if (j >= b.length || (i < a.length && length(i + 1, j) >= length(i, j + 1))) lines.push({ kind: "theirs", text: a[i++] as string });
    else lines.push({ kind: "mine", text: b[j++] as string });
  }
  return lines;
}
