import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { folder, start } from "./scratch.mjs";

/**
 * Installs packages into a scratch folder, so that ours never depends on a peer's.
 * `load` imports one of them here; `dir` is for `startHost`, which imports them there.
 */
export async function installPackages(name, specifiers) {
  const dir = await folder(name);
  await writeFile(join(dir, "package.json"), JSON.stringify({ name: "peer", private: true }));
  // Bare names resolve from where this lies.
  await writeFile(join(dir, "load.mjs"), "export const load = (name) => import(name);\n");
  // No scripts: none of the peers needs one, and some report the installation.
  const options = "--no-save --no-package-lock --no-audit --no-fund --ignore-scripts";
  await start("npm", ["install", "--prefix", dir, ...options.split(" "), ...specifiers], {
    cwd: dir,
    within: 180_000,
  }).catch((error) => {
    // Its code alone: the rest names hosts and paths, which are no part of a result.
    const code = error.message.match(/npm error code (\S+)/)?.[1];
    throw code ? new Error(`npm install failed with ${code}`, { cause: error }) : error;
  });
  const { load } = await import(pathToFileURL(join(dir, "load.mjs")).href);
  const version = async (name) =>
    JSON.parse(await readFile(join(dir, "node_modules", name, "package.json"), "utf8")).version;
  const versions = {};
  for (const specifier of specifiers) {
    const bare = specifier.replace(/(?<=.)@.*$/, "");
    versions[bare] = await version(bare);
  }
  return { dir, load, versions };
}
