// The editor of a value: plain text with what is known of its syntax said beside it. It warns and never keeps anybody from saving.

import { m } from "../app/messages";
import { size } from "../app/time";
import { complaint, syntaxOf } from "../app/values";

export const LIMIT = 512 * 1024; // bytes, the servers' default

interface EditorProps {
  text: string;
  label: string;
  failure: string;
  onInput: (text: string) => void;
  onSave: () => void;
  onCancel: () => void;
}

export function Editor({ text, label, failure, onInput, onSave, onCancel }: EditorProps) {
  const syntax = syntaxOf(text);
  const wrong = complaint(text, syntax);
  const bytes = new TextEncoder().encode(text).length;
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        onSave();
      }}
    >
      <label class="field">
        <span>{label}</span>
        <textarea
          value={text}
          spellcheck={false}
          aria-describedby="editor-notes"
          onInput={(event) => onInput(event.currentTarget.value)}
          onKeyDown={(event) => {
            if ((event.ctrlKey || event.metaKey) && event.key === "Enter") onSave();
          }}
        />
      </label>
      <div class="under" id="editor-notes">
        <span>
          {m.keys.syntax}: {syntax}
          {wrong && <span class="invalid"> – {wrong}</span>}
        </span>
        <span class={bytes > LIMIT ? "invalid" : ""}>
          {m.keys.size(size(bytes), size(LIMIT))} {bytes > LIMIT && m.keys.tooLarge(size(LIMIT))}
        </span>
      </div>
      {failure && (
        <p class="invalid" role="alert">
          {failure}
        </p>
      )}
      <div class="buttons">
        <button type="button" onClick={onCancel}>
          {m.keys.cancel}
        </button>
        <button type="submit" class="primary">
          {m.keys.save}
        </button>
      </div>
    </form>
  );
}
