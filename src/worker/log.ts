/** Takes down what a worker does: one line of JSON each. */
export type WorkerLog = (message: string, fields?: Record<string, unknown>) => void;

/** A worker's log on stdout, as its runners' own lines are. */
export function workerLog(worker: string, print: (line: string) => void = console.log): WorkerLog {
  return (message, fields = {}) =>
    print(JSON.stringify({ timestamp: new Date().toISOString(), worker, message, ...fields }));
}
