import { useEffect, useState } from "preact/hooks";
import { accessor, signOut, token } from "../app/auth";
import { version } from "../app/datacenter";
import { m } from "../app/messages";
import { prefer, type Preferences, preferences } from "../app/preferences";
import { ApiError } from "../app/api";
import { accessorOf, signInOpen } from "../parts/sign-in";
import { Copy, Facts, Heading } from "../parts/small";

type Switch = { [Key in keyof Preferences]: Preferences[Key] extends boolean ? Key : never }[keyof Preferences];

const SWITCHES: [Switch, string, string?][] = [
  ["live", m.settings.live, m.settings.liveText],
  ["dense", m.settings.density],
  ["absoluteTime", m.settings.time],
  ["shortcuts", m.settings.shortcuts],
];

export function SettingsPage() {
  const { theme, dashboard } = preferences.value;
  return (
    <>
      <Heading title={m.settings.title} />
      <div class="form">
        <p class="hint">{m.settings.text}</p>
        {SWITCHES.map(([key, title, text]) => (
          <div key={key} class="setting">
            <label class="check">
              <input type="checkbox" checked={preferences.value[key]} onChange={(event) => prefer({ [key]: event.currentTarget.checked })} />
              {title}
            </label>
            {text && <p class="hint">{text}</p>}
          </div>
        ))}
        <fieldset class="setting">
          <legend>{m.settings.theme}</legend>
          {(["system", "light", "dark"] as const).map((one) => (
            <label key={one} class="check">
              <input type="radio" name="theme" checked={theme === one} onChange={() => prefer({ theme: one })} />
              {m.shell.themes[one]}
            </label>
          ))}
        </fieldset>
        <label class="field">
          <span>{m.settings.dashboard}</span>
          <input type="url" value={dashboard} aria-describedby="dashboard-hint" onInput={(event) => prefer({ dashboard: event.currentTarget.value })} />
        </label>
        <p class="hint" id="dashboard-hint">
          {m.settings.dashboardText}
        </p>
        <h2>{m.settings.token}</h2>
        <TokenSetting />
        <h2>{m.settings.about}</h2>
        <Facts facts={[[m.settings.version, version.value]]} />
      </div>
    </>
  );
}

function TokenSetting() {
  const [isShown, setShown] = useState(false);
  useEffect(() => {
    if (!token.value || accessor.value) return;
    accessorOf(token.value).then(
      (found) => (accessor.value = found),
      (error: unknown) => {
        if (!(error instanceof ApiError)) throw error;
      },
    );
  }, [token.value]);
  if (!token.value) {
    return (
      <p class="row setting">
        <span>{m.settings.none}</span>
        <button type="button" onClick={() => (signInOpen.value = true)}>
          {m.shell.signIn}
        </button>
      </p>
    );
  }
  return (
    <div class="setting">
      <Facts facts={[[m.acls.accessor, accessor.value]]} />
      <p class="row">
        <code>{isShown ? token.value : "••••••••-••••-••••"}</code>
        <Copy text={token.value} what="token" />
        <button type="button" onClick={() => setShown(!isShown)}>
          {isShown ? m.settings.hide : m.settings.reveal}
        </button>
        <button type="button" onClick={signOut}>
          {m.shell.signOut}
        </button>
      </p>
    </div>
  );
}
