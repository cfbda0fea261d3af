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
  /** These requests, the oldest first. */
  holding(): Received[];
  /** The most requests that were in flight at once. */
  peak(): number;
  /** Answers all that are held, and whatever comes from now on; with a word, only jobs that have it in their URL. */
  letGo(word?: string): void;
  /** Answers so many of those that are held, the oldest first. */
  answer(count: number): void;
}

/** Starts one that holds the jobs whose URL has the word `slow` in it. */
export async function startHeldServer(): Promise<HeldServer> {
  const aborted: string[] = [];
  const held = new Map<() => void, Received>();
  const open: string[] = [];
  const isOpen = (url: string): boolean => open.some((word) => url.includes(word));
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
    held.set(answer, received);
    peak = Math.max(peak, held.size);
    if (isOpen(url) || !url.includes("slow")) answer();
  });
  return {
    ...server,
    aborted,
    inFlight: () => held.size,
    holding: () => [...held.values()],
    peak: () => peak,
    letGo(word = "") {
      open.push(word);
      for (const [answer, { body }] of held) if (isOpen(body.url ?? "")) answer();
    },
    answer(count) {
      for (const answer of [...held.keys()].slice(0, count)) answer();
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
