// What a snapshot file holds: a gzip of a tar with meta.json, state.bin and SHA256SUMS.

export interface SnapshotMeta {
  ID: string;
  Index: number;
  Term: number;
  Version: number;
}

const BLOCK = 512;

/** The files of a tar archive by name. Throws RangeError where it is none. */
export function untar(bytes: Uint8Array): Map<string, Uint8Array> {
  const found = new Map<string, Uint8Array>();
  const text = (from: number, length: number) => new TextDecoder().decode(bytes.subarray(from, from + length)).replace(/\0.*$/s, "");
  for (let at = 0; at + BLOCK <= bytes.length && bytes[at] !== 0; ) {
    const size = parseInt(text(at + 124, 12).trim() || "0", 8);
    if (!Number.isInteger(size) || size < 0 || at + BLOCK + size > bytes.length) throw new RangeError("no tar archive");
    found.set(text(at, 100), bytes.subarray(at + BLOCK, at + BLOCK + size));
    at += BLOCK + Math.ceil(size / BLOCK) * BLOCK;
  }
  return found;
}

/** What a snapshot says of itself; null where the file is none. */
export async function inspect(file: Blob): Promise<(SnapshotMeta & { size: number }) | null> {
  try {
    const plain = await new Response(file.stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
    const files = untar(new Uint8Array(plain));
    const meta = files.get("meta.json");
    const state = files.get("state.bin");
    if (!meta || !state) return null;
    return { ...(JSON.parse(new TextDecoder().decode(meta)) as SnapshotMeta), size: state.length };
  } catch {
    return null;
  }
}
