// Dialogs: the browser's own, which keep the focus inside and give it back.

import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { ApiError } from "../app/api";
import { m } from "../app/messages";

export function Dialog({ title, children, onClose, wide }: { title: string; children: ComponentChildren; onClose: () => void; wide?: boolean }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const opener = document.activeElement as HTMLElement | null;
    const own = dialog.current;
    own?.showModal();
    own?.querySelector<HTMLElement>("[data-first]")?.focus();
    return () => {
      own?.close();
      if (opener?.isConnected) opener.focus();
    };
  }, []);
  return (
    <dialog
      ref={dialog}
      class={wide ? "wide" : ""}
      aria-label={title}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onClick={(event) => event.target === dialog.current && onClose()}
    >
      <div class="dialog">
        <h2>{title}</h2>
        {children}
      </div>
    </dialog>
  );
}

interface ConfirmProps {
  title: string;
  verb: string;
  children: ComponentChildren;
  word?: string; // to be typed
  act: () => Promise<unknown>;
  onClose: () => void;
}

/** Asks before something is destroyed. The safe button has the focus; an error is said and the dialog stays. */
export function Confirm({ title, verb, children, word, act, onClose }: ConfirmProps) {
  const [typed, setTyped] = useState("");
  const [failure, setFailure] = useState("");
  const [busy, setBusy] = useState(false);
  const submit = async (event: Event) => {
    event.preventDefault();
    if (word && typed !== word) return;
    setBusy(true);
    try {
      await act();
      onClose();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      setFailure(error.text);
      setBusy(false);
    }
  };
  return (
    <Dialog title={title} onClose={onClose}>
      <form onSubmit={submit}>
        <div class="prose">{children}</div>
        {word && (
          <label class="field">
            <span>{m.confirm.typed(word)}</span>
            <input value={typed} autocomplete="off" spellcheck={false} onInput={(event) => setTyped(event.currentTarget.value)} />
          </label>
        )}
        {failure && (
          <p class="invalid" role="alert">
            {failure}
          </p>
        )}
        <div class="buttons">
          <button type="button" data-first onClick={onClose}>
            {m.confirm.cancel}
          </button>
          <button type="submit" class="danger" disabled={busy || (word !== undefined && typed !== word)}>
            {verb}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
