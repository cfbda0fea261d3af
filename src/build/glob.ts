/** The folder in front of a glob's first wildcard: `src/workflows` of `src/workflows/**\/*.ts`. */
export function globBase(pattern: string): string {
  const parts = pattern.split("/");
  const magic = parts.findIndex((part) => /[*?{}[\]()!+@]/.test(part));
  return parts.slice(0, magic === -1 ? -1 : magic).join("/");
}
