import {
  type FakeRunnerServer,
  passing,
  type Received,
  startRunnerServer,
} from "./runner-server.ts";

/** A runner server that answers some jobs at once, and holds the others until they are let go. */
export interface HeldServer extends FakeRunnerServer {
  /** URLs of jobs whose request was closed before it was answered. */
  aborted: string[];
  /** Requests that are not answered yet. */
  inFlight(): number;
  /** The most requests that were in flight at once. */
  peak(): number;
  /** Answers all that are held, and whatever comes from now on. */
  letGo(): void;
}

/** Starts one that holds the jobs whose URL has the word `slow` in it. */
export async function startHeldServer(): Promise<HeldServer> {
  const aborted: string[] = [];
  const held = new Set<() => void>();
  let open = false;
  let peak = 0;
  const server = await startRunnerServer((received: Received, response) => {
    const { url = "" } = received.body;
    const answer = (): void => {
      held.delete(answer);
      passing(received, response);
    };
    response.on("close", () => {
      held.delete(answer);
      if (!response.writableFinished) aborted.push(url);
    });
    held.add(answer);
    peak = Math.max(peak, held.size);
    if (open || !url.includes("slow")) answer();
  });
  return {
    ...server,
    aborted,
    inFlight: () => held.size,
    peak: () => peak,
    letGo() {
      open = true;
      for (const answer of held) answer();
    },
  };
}

/** A request of one job a URL in the region `eu`. */
export function regionalRun(paths: readonly string[], rest: object = {}): object {
  return {
    mode: "remote",
    regions: ["eu"],
    runners: paths.map((path) => ({ name: "check", input: { url: `https://x.test/${path}` } })),
    ...rest,
  };
}
