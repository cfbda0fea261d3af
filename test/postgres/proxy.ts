import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** A way to a Postgres on which answers can be lost. */
export interface LossyProxy {
  url: string;
  /** Drops the connection of the next statement with this text in it, once the server has answered it. */
  loseAnswerTo(text: string): void;
  /** How many answers were lost. */
  lost(): number;
  close(): Promise<void>;
}

/** Starts a proxy in front of a Postgres. */
export async function startLossyProxy(url: string): Promise<LossyProxy> {
  const { port, hostname } = new URL(url);
  let wanted: string | undefined;
  let lost = 0;
  const sockets = new Set<Socket>();
  const server = createServer((outer) => {
    const inner = connect(Number(port), hostname);
    let losing = false;
    const drop = (): void => {
      for (const socket of [outer, inner]) socket.destroy();
    };
    for (const socket of [outer, inner]) {
      sockets.add(socket);
      socket.on("error", drop);
      socket.on("close", drop);
    }
    outer.on("data", (data) => {
      if (wanted !== undefined && data.includes(wanted)) {
        wanted = undefined;
        losing = true;
      }
      inner.write(data);
    });
    inner.on("data", (data) => {
      if (!losing) return outer.write(data);
      lost++;
      drop();
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: url.replace(`:${port}/`, `:${(server.address() as AddressInfo).port}/`),
    loseAnswerTo(text) {
      wanted = text;
    },
    lost: () => lost,
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}
