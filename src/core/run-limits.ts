import { longestTimer } from "./sleep.ts";

/** The largest values a run request may have; what is larger is refused at submit. */
export const runLimits: {
  /** Entries of `runners`. */
  readonly runners: number;
  /** Entries of one `regions`. */
  readonly regions: number;
  /** Runners over all regions. */
  readonly executions: number;
  /** Characters of all inputs over all regions, as JSON. */
  readonly size: number;
  /** Characters of a runner's or region's name. */
  readonly name: number;
  /** Entries of `tags`. */
  readonly tags: number;
  /** Characters of a tag. */
  readonly tag: number;
  /** Characters of a caller's own run id. */
  readonly runId: number;
  /** Milliseconds of a run's timeout. */
  readonly timeout: number;
} = {
  runners: 20_000,
  regions: 1000,
  executions: 100_000,
  size: 16_777_216,
  name: 200,
  tags: 50,
  tag: 100,
  runId: 128,
  timeout: longestTimer,
};
