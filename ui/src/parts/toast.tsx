// Short notes about what was done, spoken to screen readers too.

import { signal } from "@preact/signals";

interface Note {
  id: number;
  text: string;
  kind: "done" | "critical";
}

const notes = signal<Note[]>([]);
let last = 0;

export function announce(text: string, kind: Note["kind"] = "done"): void {
  const note = { id: ++last, text, kind };
  notes.value = [...notes.value, note].slice(-3);
  setTimeout(() => (notes.value = notes.value.filter((one) => one.id !== note.id)), kind === "done" ? 3000 : 8000);
}

export function Toasts() {
  return (
    <div class="toasts" role="status" aria-live="polite">
      {notes.value.map((note) => (
        <p key={note.id} class={note.kind}>
          {note.text}
        </p>
      ))}
    </div>
  );
}
