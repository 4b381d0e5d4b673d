// The token that requests carry. It is never part of an address, a title or a message.

import { signal } from "@preact/signals";

const KEY = "muster:token";

function stored(): string {
  try {
    return sessionStorage.getItem(KEY) ?? localStorage.getItem(KEY) ?? "";
  } catch {
    return "";
  }
}

export const token = signal(stored());
export const accessor = signal("");

export function signIn(secret: string, remember: boolean): void {
  forget();
  try {
    (remember ? localStorage : sessionStorage).setItem(KEY, secret);
  } catch {
    // the sign-in then lasts until the page is loaded again
  }
  token.value = secret;
}

export function signOut(): void {
  forget();
  token.value = "";
  accessor.value = "";
}

function forget(): void {
  try {
    sessionStorage.removeItem(KEY);
    localStorage.removeItem(KEY);
  } catch {
    // nothing was kept
  }
}
