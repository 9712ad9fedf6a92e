import { byId, setText } from "./elements.ts";

const STORED_AS = "tessera-token";

/** The token of this tab. */
export interface TokenView {
  /** The token; undefined when none was entered. */
  current(): string | undefined;
  /** Opens the entry; `why` says what asked for it. */
  ask(why?: string): void;
}

/** Binds the entry of the token. It lives in the storage of the tab's session: not in a cookie, not in an address, not on disk after the tab is closed. */
export function tokenView(onChange: () => void): TokenView {
  const dialog = byId<HTMLDialogElement>("token-dialog");
  const input = byId<HTMLInputElement>("token");
  const keep = (token: string): void => {
    if (token === "") sessionStorage.removeItem(STORED_AS);
    else sessionStorage.setItem(STORED_AS, token);
    onChange();
  };
  const ask = (why = ""): void => {
    setText(byId("token-why"), why);
    input.value = "";
    if (!dialog.open) dialog.showModal();
    input.focus();
  };
  byId("token-open").addEventListener("click", () => ask());
  byId("token-cancel").addEventListener("click", () => dialog.close());
  byId("token-forget").addEventListener("click", () => {
    dialog.close();
    keep("");
  });
  byId("token-form").addEventListener("submit", () => {
    const token = input.value.trim();
    if (token !== "") keep(token);
  });
  dialog.addEventListener("close", () => {
    input.value = "";
  });
  return { current: () => sessionStorage.getItem(STORED_AS) ?? undefined, ask };
}
