/** A runner file's exports that the runner server needs. */
export interface RunnerImport {
  /** Absolute path. */
  file: string;
  /** What the runner server calls it. */
  name: string;
  /** What its file calls it. */
  exportName: string;
}

/** `#orchestrator/virtual/runners`: the app's runners and their input schemas by name. */
export function runnersTemplate(imports: readonly RunnerImport[]): string {
  return [
    ...imports.map(
      ({ file, exportName }, index) =>
        `import { ${exportName} as r${index} } from ${JSON.stringify(file)};`,
    ),
    `export const runners = { ${imports.map(({ name }, index) => `${JSON.stringify(name)}: r${index}`).join(", ")} };`,
    "",
  ].join("\n");
}
