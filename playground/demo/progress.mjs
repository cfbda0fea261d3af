import { servers } from "./fleet.mjs";

/** Shows checks as they begin: one live line on a terminal, a line now and then elsewhere. */
export function createProgress(total, stream = process.stdout) {
  const counts = new Map(servers.map(({ id }) => [id, 0]));
  const every = Math.ceil(total / 4);
  let begun = 0;

  const line = () => {
    const bars = servers.map(({ id }) => `${id} ${"▪".repeat(counts.get(id))} ${counts.get(id)}`);
    const again = begun > total ? `, ${begun - total} twice` : "";
    return `  ${bars.join("   ")}   ${Math.min(begun, total)} of ${total} begun${again}`;
  };
  const clear = () => stream.isTTY && stream.write("\r\x1b[2K");

  return {
    count({ server }) {
      begun++;
      counts.set(server, counts.get(server) + 1);
      // A line that wraps could not be cleared any more.
      if (stream.isTTY) stream.write(`\r\x1b[2K${line().slice(0, (stream.columns ?? 80) - 1)}`);
      else if (begun % every === 0) stream.write(`${line()}\n`);
      return begun;
    },
    /** Prints a line above the live one. */
    say(text) {
      clear();
      stream.write(`${text}\n`);
    },
    end() {
      clear();
      stream.write(`${line()}\n`);
    },
  };
}
