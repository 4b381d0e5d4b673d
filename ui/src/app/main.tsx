import "../styles/tokens.css";
import "../styles/base.css";
import "../styles/parts.css";
import { render } from "preact";
import { App } from "./app";
import { watchVisibility } from "./connection";
import { learnDatacenter } from "./datacenter";
import { watchKeys } from "./keys";
import { applyPreferences } from "./preferences";
import { watchNavigation } from "./router";
import { watchStream } from "./stream";

applyPreferences();
watchVisibility();
watchNavigation();
watchKeys();
watchStream();
void learnDatacenter();
render(<App />, document.getElementById("page")!);
