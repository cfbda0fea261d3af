/** A fault in a source file, with the place and the mend. */
export interface Problem {
  /** Path from the app's root. */
  file: string;
  /** 1-based. */
  line: number;
  /** 1-based. */
  column: number;
  message: string;
  /** What to do about it. */
  mend?: string;
}

/** `file:line:column message`, and the mend on a line of its own. */
export function formatProblem(problem: Problem): string {
  const place = `${problem.file}:${problem.line}:${problem.column}`;
  return `${place} ${problem.message}${problem.mend ? `\n    ${problem.mend}` : ""}`;
}

/** Discovery found faults: stops a build, keeps the last good manifest in dev. */
export class DiscoveryError extends Error {
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[]) {
    super(
      `[orchestrator] discovery failed\n${problems.map((p) => `  ${formatProblem(p)}`).join("\n")}`,
    );
    this.name = "DiscoveryError";
    this.problems = problems;
  }
}

/** 1-based line and column of an offset in UTF-16 units. */
export function positionOf(source: string, offset: number): { line: number; column: number } {
  const before = source.slice(0, offset);
  const line = before.split("\n").length;
  return { line, column: offset - before.lastIndexOf("\n") };
}
