// The dialog that takes a token.

import { signal } from "@preact/signals";
import { useState } from "preact/hooks";
import { ApiError } from "../app/api";
import { accessor, signIn } from "../app/auth";
import { m } from "../app/messages";
import { Dialog } from "./dialog";

export const signInOpen = signal(false);

/** Who a token belongs to. Raises ApiError where the servers do not know it, or where access control is off. */
export async function accessorOf(secret: string): Promise<string> {
  let answer: Response;
  try {
    answer = await fetch("/v1/acl/token/self", { headers: { "X-Consul-Token": secret }, cache: "no-store" });
  } catch {
    throw new ApiError(0, m.failure.title[0] ?? "", "");
  }
  if (!answer.ok) throw new ApiError(answer.status, (await answer.text()).trim(), "");
  return ((await answer.json()) as { AccessorID: string }).AccessorID;
}

export function SignIn() {
  const [secret, setSecret] = useState("");
  const [remember, setRemember] = useState(false);
  const [failure, setFailure] = useState("");
  if (!signInOpen.value) return null;
  const close = () => {
    setSecret("");
    setFailure("");
    signInOpen.value = false;
  };
  const submit = async (event: Event) => {
    event.preventDefault();
    try {
      accessor.value = await accessorOf(secret.trim());
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      setFailure(error.isAclOff ? m.signIn.off : error.status === 403 ? m.signIn.bad : error.text);
      return;
    }
    signIn(secret.trim(), remember);
    close();
  };
  return (
    <Dialog title={m.signIn.title} onClose={close}>
      <form onSubmit={submit}>
        <label class="field">
          <span>{m.signIn.token}</span>
          <input type="password" data-first required value={secret} autocomplete="off" onInput={(event) => setSecret(event.currentTarget.value)} />
        </label>
        <p class="hint">{m.signIn.hint}</p>
        <label class="check">
          <input type="checkbox" checked={remember} onChange={(event) => setRemember(event.currentTarget.checked)} />
          {m.signIn.remember}
        </label>
        {failure && (
          <p class="invalid" role="alert">
            {failure}
          </p>
        )}
        <div class="buttons">
          <button type="button" onClick={close}>
            {m.confirm.cancel}
          </button>
          <button type="submit" class="primary">
            {m.signIn.submit}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
