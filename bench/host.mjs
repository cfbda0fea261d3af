// node bench/host.mjs <module> [<folder>]   runs a module's `host`, apart from the client's process.
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [module, packages] = process.argv.slice(2);
// The bench holds the other end; when it is gone, by whatever way, so is the host.
process.stdin.on("end", () => process.kill(process.pid, "SIGTERM")).resume();
const { host } = await import(module);
const { load } = packages ? await import(pathToFileURL(join(packages, "load.mjs")).href) : {};
await host(load);
