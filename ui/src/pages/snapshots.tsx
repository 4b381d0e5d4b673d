import { useState } from "preact/hooks";
import { address, ApiError, put, send } from "../app/api";
import { inspect } from "../app/archive";
import { dcParameter } from "../app/datacenter";
import { m } from "../app/messages";
import { place } from "../app/router";
import { size } from "../app/time";
import { Confirm } from "../parts/dialog";
import { save } from "../parts/download";
import { Failure } from "../parts/feedback";
import { Facts, Heading } from "../parts/small";
import { announce } from "../parts/toast";

type Found = NonNullable<Awaited<ReturnType<typeof inspect>>>;

export function Snapshots() {
  const { dc } = place.value;
  const path = address("/v1/snapshot", { dc: dcParameter(dc) });
  const [failure, setFailure] = useState<ApiError | null>(null);
  const [file, setFile] = useState<File | null>(null);
  const [meta, setMeta] = useState<Found | null>(null);
  const [isAsking, setAsking] = useState(false);
  const download = async () => {
    setFailure(null);
    try {
      const answer = await send(path);
      save(`${dc}-${answer.headers.get("X-Consul-Index") ?? "snapshot"}.tgz`, await answer.blob());
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      setFailure(error);
    }
  };
  const look = async (chosen: File | undefined) => {
    setFile(chosen ?? null);
    setMeta(chosen ? await inspect(chosen) : null);
  };
  return (
    <>
      <Heading title={m.snapshots.title}>
        <button type="button" class="primary" onClick={() => void download()}>
          {m.snapshots.save}
        </button>
      </Heading>
      <p class="hint">{m.snapshots.text}</p>
      {failure && <Failure error={failure} retry={() => void download()} />}
      <section class="panel form">
        <h2>{m.snapshots.restore}</h2>
        <p class="hint">{m.snapshots.restoreText}</p>
        <label class="field">
          <span>{m.snapshots.choose}</span>
          <input type="file" accept=".tgz,.gz,.snap" onChange={(event) => void look(event.currentTarget.files?.[0])} />
        </label>
        {file && !meta && (
          <p class="invalid" role="alert">
            {m.snapshots.bad}
          </p>
        )}
        {file && meta && (
          <>
            <Facts
              facts={[
                [m.snapshots.id, meta.ID],
                [m.snapshots.index, String(meta.Index)],
                [m.snapshots.term, String(meta.Term)],
                [m.snapshots.size, size(meta.size)],
              ]}
            />
            <div class="buttons">
              <button type="button" class="danger" onClick={() => setAsking(true)}>
                {m.snapshots.restore}
              </button>
            </div>
          </>
        )}
      </section>
      {isAsking && file && (
        <Confirm
          title={m.snapshots.restore}
          verb={m.snapshots.restore}
          word={m.snapshots.word}
          onClose={() => setAsking(false)}
          act={async () => {
            await put(path, { text: new Uint8Array(await file.arrayBuffer()) });
            announce(m.snapshots.restored);
          }}
        >
          <p>{m.snapshots.restoreText}</p>
        </Confirm>
      )}
    </>
  );
}
