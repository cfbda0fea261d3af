import { onTestFinished, vi } from "vitest";

/** Headers of a client that takes lines. */
export const acceptLines = { accept: "application/x-ndjson, application/json" };

/** Reads a response line by line. */
export function reading(response: Response) {
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  const next = async (): Promise<any> => {
    for (;;) {
      const end = rest.indexOf("\n");
      if (end !== -1) {
        const line = rest.slice(0, end);
        rest = rest.slice(end + 1);
        return JSON.parse(line);
      }
      const { done, value } = await reader.read();
      if (done) return rest === "" ? undefined : Promise.reject(new Error(`left: ${rest}`));
      rest += value;
    }
  };
  return {
    next,
    stop: () => reader.cancel(),
    async all(): Promise<any[]> {
      const lines: any[] = [];
      for (let line = await next(); line !== undefined; line = await next()) lines.push(line);
      return lines;
    },
  };
}

/** Keeps what runners log out of the tests' own output. */
export function silent() {
  const print = vi.spyOn(console, "log").mockImplementation(() => {});
  onTestFinished(() => print.mockRestore());
  return print;
}
