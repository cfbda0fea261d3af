import type { RollupConfig } from "nitro/types";
import { standIn } from "../core/world-stand-in.ts";

/** Puts the stand-in at the head of every chunk, since the bundler decides which one is evaluated first. */
export function addStandIn(config: RollupConfig): void {
  const banner = `;(${standIn.toString()})();`;
  for (const output of [config.output ?? (config.output = {})].flat()) {
    const before = output.banner as Banner | string | undefined;
    output.banner =
      typeof before === "function"
        ? async (chunk: never) => `${await before(chunk)}\n${banner}`
        : [before, banner].filter(Boolean).join("\n");
  }
}

type Banner = (chunk: never) => Promise<string> | string;
