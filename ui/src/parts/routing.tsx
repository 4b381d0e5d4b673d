// The discovery chain of a service: which way requests take.

interface Chain {
  Chain?: {
    Protocol?: string;
    StartNode?: string;
    Nodes?: Record<string, { Type: string; Name: string; Resolver?: { Target: string; Default?: boolean; ConnectTimeout?: string } }>;
    Targets?: Record<string, { Service: string; Datacenter: string; ServiceSubset?: string }>;
  };
}

export function Routing({ chain }: { chain: unknown }) {
  const found = (chain as Chain | undefined)?.Chain;
  const nodes = Object.entries(found?.Nodes ?? {});
  return (
    <>
      <ul class="checks">
        {nodes.map(([key, node]) => (
          <li key={key} class="card">
            <header>
              <h2>{node.Name}</h2>
              <span class="quiet-text">{node.Type}</span>
              <span class="meta">
                {found?.Protocol} {key === found?.StartNode ? "start" : ""}
              </span>
            </header>
            {node.Resolver && (
              <p class="notes">
                → <code>{node.Resolver.Target}</code> {node.Resolver.ConnectTimeout}
              </p>
            )}
          </li>
        ))}
      </ul>
    </>
  );
}
