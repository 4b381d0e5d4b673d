// Fuzzy search for the palette.

/** How well `wanted` is found in `text` as letters in their order; null if it is not. Higher is better. */
export function score(text: string, wanted: string): number | null {
  const low = text.toLowerCase();
  let total = 0;
  let at = -1;
  for (const letter of wanted.toLowerCase()) {
    if (letter === " ") continue;
    const next = low.indexOf(letter, at + 1);
    if (next < 0) return null;
    const startsWord = next === 0 || /[^a-z0-9]/.test(low[next - 1] ?? "");
    total += next === at + 1 ? 5 : startsWord ? 4 : 1;
    at = next;
  }
  return total - text.length / 100;
}

export function best<T>(items: readonly T[], wanted: string, text: (item: T) => string, most: number): T[] {
  return items
    .map((item) => ({ item, rank: score(text(item), wanted) }))
    .filter((one): one is { item: T; rank: number } => one.rank !== null)
    .sort((a, b) => b.rank - a.rank)
    .slice(0, most)
    .map((one) => one.item);
}
