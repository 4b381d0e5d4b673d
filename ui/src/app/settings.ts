// What the agent that serves the page says about itself, in a block of index.html. A real Consul leaves the block empty.

export interface Settings {
  local_datacenter: string;
  version: string;
  content_path: string;
  features: string[];
}

function read(): Settings {
  const text = document.getElementById("muster-settings")?.textContent ?? "";
  const found: Partial<Settings> = text ? JSON.parse(text) : {};
  return {
    local_datacenter: found.local_datacenter ?? "",
    version: found.version ?? "",
    content_path: found.content_path ?? pathOfScript(),
    features: found.features ?? [],
  };
}

// The script lies in assets/ below the content path, also where nobody filled the block.
function pathOfScript(): string {
  const path = new URL(import.meta.url).pathname;
  const at = path.lastIndexOf("/assets/");
  return at >= 0 ? path.slice(0, at + 1) : "/ui/";
}

export const settings = read();
