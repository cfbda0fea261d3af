import { setWorld } from "workflow/runtime";
import { internalWorkflows } from "../core/run-workflow.ts";
import { createEmbeddedWorld, type EmbeddedWorld } from "../world/index.ts";
import { engineWorld } from "../postgres/package.ts";
import type { ResolvedWorld } from "../types/config.ts";
import { claimingStarts, claimStarts, type Starts } from "./starts.ts";
import { createClaims } from "./claims.ts";
import { createTargetWorld } from "./target-world.ts";
import { bindEngine } from "./engine-handlers.ts";
import type { EngineHandlers, World } from "./engine-world.ts";
import { createPostgresWorld } from "./postgres-world.ts";
import { labelledRuns, runLabels } from "./run-labels.ts";
import type { FindRuns } from "./run-lists.ts";
import { scannedRuns } from "./run-scan.ts";
import type { RunObserver } from "./observe-runs.ts";
import type { RunWatchers } from "./run-watchers.ts";

/** A World in use. */
export interface InstalledWorld {
  world: World;
  /** Whether no other process can execute its runs. */
  exclusive: boolean;
  starts: Starts;
  findRuns: FindRuns;
  /** Counts the runs that have not ended and are not only ours, where that takes no time. */
  openRuns?: () => { queued: number; running: number };
  /** Why it can be asked for nothing now; nothing where it can. */
  problem?: () => string | undefined;
  /** Starts the queue and takes up the runs that a crash left; resolves when both are done. */
  start(): Promise<void>;
  /** Takes no messages any more; other processes do. */
  drain?: () => void;
  /** Aborts when what the caller was delivered is another process's now. */
  lost?: () => AbortSignal | undefined;
  close(): Promise<void>;
}

/** What a World is installed with. */
export interface WorldSetup {
  /** Folder of this package's data. */
  dataDir: string;
  /** The configured World, unless the environment names another. */
  configured: ResolvedWorld;
  engine: EngineHandlers;
  /** Told of ends of runs. */
  ends: RunWatchers;
  /** Told of starts and ends of runs. */
  news: RunWatchers;
  /** Told of those that are stored in this process. */
  observer: Pick<RunObserver, "ended" | "started">;
  /** Told when another process on the World has died, or the World was away: what was begun may be undone. */
  onLoss?: () => void;
}

/**
 * Makes a World the engine's own, with messages delivered inside this process, so that the engine's
 * public routes can be closed.
 */
export function installWorld(setup: WorldSetup): InstalledWorld {
  const { configured, engine, dataDir } = setup;
  // An empty variable names no World, for the engine and for the build's stand-in too.
  const target =
    process.env.WORKFLOW_TARGET_WORLD ||
    (configured.type === "target" ? configured.name : undefined);
  if (target === undefined) return installEmbedded(setup);
  process.env.WORKFLOW_TARGET_WORLD = target;
  if (target === engineWorld) {
    const parts = createPostgresWorld({
      engine,
      watchers: setup,
      ...(configured.type === "target" && { retention: configured.retention }),
      ...(setup.onLoss && { onLoss: setup.onLoss }),
    });
    setWorld(parts.world);
    return {
      ...parts,
      exclusive: false,
      starts: claimingStarts(parts.claims),
    };
  }
  const { world, start, close } = createTargetWorld(`${dataDir}/world`, engine, setup);
  setWorld(world);
  return {
    world,
    exclusive: false,
    starts: claimStarts(createClaims(dataDir)),
    findRuns: scannedRuns(() => world),
    start,
    close,
  };
}

function installEmbedded(setup: WorldSetup): InstalledWorld {
  const { configured, engine, ends, news, observer, dataDir } = setup;
  const world = createEmbeddedWorld({
    dataDir: `${dataDir}/store`,
    labels: runLabels,
    ...(configured.type === "embedded" && { retention: configured.retention }),
  });
  bindEngine(world, engine);
  world.onRunChange(({ runId, status, workflowName }) => {
    if (status === "running") observer.started(workflowName);
    else {
      ends.notify(runId);
      observer.ended(runId);
    }
    news.notify(runId);
  });
  setWorld(world);
  return {
    world,
    exclusive: true,
    starts: claimingStarts(world),
    findRuns: labelledRuns(world),
    openRuns: () => countOpenRuns(world),
    start: world.start,
    close: world.close,
  };
}

function countOpenRuns(world: EmbeddedWorld): { queued: number; running: number } {
  const all = world.countOpenRuns();
  const ours = [...internalWorkflows].map((name) => world.countOpenRuns(name));
  const less = (status: keyof typeof all): number =>
    ours.reduce((count, counts) => count - counts[status], all[status]);
  return { queued: less("pending"), running: less("running") };
}
