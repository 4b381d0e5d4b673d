// Server-sent events, parsed as their bytes come in.

export interface StreamEvent {
  id: string;
  event: string;
  data: string;
}

export class EventParser {
  private rest = "";
  private id = "";

  /** The events that are whole after this piece of text. */
  feed(text: string): StreamEvent[] {
    this.rest += text.replace(/\r\n?/g, "\n");
    const blocks = this.rest.split("\n\n");
    this.rest = blocks.pop() ?? "";
    return blocks.map((block) => this.parse(block)).filter((one) => one.data !== "");
  }

  private parse(block: string): StreamEvent {
    const found: StreamEvent = { id: this.id, event: "message", data: "" };
    const data: string[] = [];
    for (const line of block.split("\n")) {
      const [, name, value] = /^([^:]*):? ?(.*)$/.exec(line) ?? [];
      if (name === "id") this.id = found.id = value ?? "";
      else if (name === "event") found.event = value ?? "";
      else if (name === "data") data.push(value ?? "");
    }
    found.data = data.join("\n");
    return found;
  }
}
