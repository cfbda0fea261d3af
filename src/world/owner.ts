import { execFileSync } from "node:child_process";
import { readFileSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { keys } from "./keys.ts";
import type { LmdbStore } from "./lmdb-store.ts";

/** The process that has a folder. */
interface Owner {
  pid: number;
  host: string;
  /** When the process was started, in the words of its system; tells it from a later one with the same pid. */
  started: string | undefined;
  /** Tells apart the owners of one process, of which the latest counts. */
  instance: string;
}

/** A folder held by this process. */
export interface Ownership {
  /** False once another World of this same process has taken the folder. */
  holds(): boolean;
  release(): void;
}

/** How often an owner looks whether it still is one, while it writes. */
const ASK_MS = 50;
/** How often an owner shows that it lives, to processes that cannot look it up. */
const SIGN_MS = 2000;
/** After how long without a sign it counts as dead. */
const SILENCE_MS = 10_000;

/**
 * Takes a folder for this process.
 *
 * The owner's name stands in the store and is read and replaced in one transaction of LMDB's, whose lock is
 * the system's and dies with its holder, so that of two processes one comes second. A name that a killed
 * process left behind does not block: on the same host its pid is looked up, together with the time at which
 * the process was started (`/proc/<pid>/stat` and the boot on Linux, `ps` elsewhere), so that a pid in use
 * again does not pass for its predecessor. On another host (containers that share a volume) the owner's sign of life
 * decides, the time of a file that it touches every 2 s.
 *
 * @throws when another living process has it
 */
export function takeOwnership(store: LmdbStore, dataDir: string, instance: string): Ownership {
  const signFile = `${dataDir}/owner`;
  const me: Owner = { pid: process.pid, host: hostname(), started: startOf(process.pid), instance };
  const refused = store.exclusively((database) => {
    const owner = database.get(keys.owner) as Owner | undefined;
    if (owner && !isSame(owner, me) && lives(owner, me, signFile)) return owner;
    void database.put(keys.owner, me);
    return undefined;
  });
  if (refused) {
    const where = refused.host === me.host ? "" : ` on host ${refused.host}`;
    throw new Error(
      `[orchestrator] the World in ${dataDir} is in use by process ${refused.pid}${where}: stop that process, or give this one another folder (ORCHESTRATOR_DATA_DIR)`,
    );
  }
  const sign = (): void => {
    try {
      const time = new Date();
      utimesSync(signFile, time, time);
    } catch {
      // Without it only another host would take the owner for dead, after a while.
    }
  };
  writeFileSync(signFile, `${JSON.stringify(me)}\n`);
  const timer = setInterval(sign, SIGN_MS);
  timer.unref();
  let asked = 0;
  let held = true;
  return {
    holds() {
      const time = performance.now();
      if (time - asked > ASK_MS) {
        asked = time;
        held = store.current<Owner>(keys.owner)?.instance === instance;
      }
      return held;
    },
    release() {
      clearInterval(timer);
      store.exclusively((database) => {
        const owner = database.get(keys.owner) as Owner | undefined;
        if (owner?.instance === instance) void database.remove(keys.owner);
      });
    },
  };
}

/** In one process (a server that reloads in development) the newer World takes over from the older. */
function isSame(owner: Owner, me: Owner): boolean {
  return owner.host === me.host && owner.pid === me.pid && owner.started === me.started;
}

function lives(owner: Owner, me: Owner, signFile: string): boolean {
  if (owner.host !== me.host) {
    try {
      return Date.now() - statSync(signFile).mtimeMs < SILENCE_MS;
    } catch {
      return false;
    }
  }
  try {
    process.kill(owner.pid, 0);
  } catch (error) {
    // Any other error means that it lives and belongs to somebody else.
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
  }
  const started = startOf(owner.pid);
  return started === undefined || owner.started === undefined || started === owner.started;
}

/** When a process was started; `undefined` where the system does not tell. */
function startOf(pid: number): string | undefined {
  try {
    if (process.platform === "win32") return undefined;
    const [state, started] = process.platform === "linux" ? fromProc(pid) : fromPs(pid);
    // Killed, and not yet collected by its parent: its pid is there, and it holds nothing any more.
    return /^[ZX]/.test(state) ? "ended" : started;
  } catch {
    return undefined;
  }
}

type StateAndStart = [state: string, started: string];

function fromProc(pid: number): StateAndStart {
  const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  // The name in the second field may contain spaces and brackets, so counting begins after it.
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return [fields[0]!, `${boot} ${fields[19]}`];
}

function fromPs(pid: number): StateAndStart {
  const columns = ["-o", "stat=", "-o", "lstart=", "-p", String(pid)];
  const line = execFileSync("ps", columns, { encoding: "utf8" }).trim();
  const end = line.indexOf(" ");
  return [line.slice(0, end), line.slice(end).trim()];
}
