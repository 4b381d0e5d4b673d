import { byText } from "../app/list";
import { m } from "../app/messages";
import { Empty } from "./feedback";
import { Code } from "./small";

export function Metadata({ meta }: { meta: Record<string, string> | null }) {
  const rows = Object.entries(meta ?? {}).sort(([a], [b]) => byText(a, b));
  if (rows.length === 0) return <Empty title={m.empty.metadata} text={m.empty.metadataText} />;
  return (
    <table>
      <caption class="visually-hidden">{m.nodes.tabs.metadata}</caption>
      <thead>
        <tr>
          <th scope="col">{m.keys.key}</th>
          <th scope="col">{m.keys.value}</th>
        </tr>
      </thead>
      <tbody>
        {rows.map(([key, value]) => (
          <tr key={key}>
            <th scope="row">{key}</th>
            <td>
              <Code text={value} what="value" />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
