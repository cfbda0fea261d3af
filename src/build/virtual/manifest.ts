/** `#orchestrator/virtual/manifest`: the bundle in production; in dev its path, so that it can be loaded anew. */
export function manifestTemplate(outfile: string, dev: boolean): string {
  if (!dev) {
    return `export { inputs, workflows } from ${JSON.stringify(outfile)};\nexport const file = undefined;\n`;
  }
  return `export const file = ${JSON.stringify(outfile)};\nexport const workflows = [];\nexport const inputs = {};\n`;
}
