import { watch } from "chokidar";
import { join } from "pathe";
import { globBase } from "./glob.ts";

/** A watch over source files. */
export interface SourceWatch {
  close(): Promise<void>;
}

/**
 * Calls back soon after a file under one of the patterns' folders was added, changed or removed;
 * never twice at once, and once more for changes that came meanwhile.
 */
export function watchSources(
  rootDir: string,
  patterns: readonly string[],
  changed: () => Promise<void>,
): SourceWatch {
  const folders = [...new Set(patterns.map((pattern) => join(rootDir, globBase(pattern))))];
  let timer: ReturnType<typeof setTimeout> | undefined;
  let running: Promise<void> | undefined;
  const schedule = (): void => {
    clearTimeout(timer);
    // Editors write a file in several steps; the last one counts.
    timer = setTimeout(() => {
      if (running) return void running.then(schedule);
      running = changed().finally(() => (running = undefined));
    }, 50);
  };
  const watcher = watch(folders, {
    ignoreInitial: true,
    ignored: (path) =>
      /[/\\](?:node_modules|\.[^/\\.]+)(?:[/\\]|$)/.test(path.slice(rootDir.length)),
  });
  watcher.on("all", schedule);
  return {
    async close() {
      clearTimeout(timer);
      await watcher.close();
    },
  };
}
