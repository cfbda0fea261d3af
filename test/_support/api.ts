/** What a JSON endpoint answered. */
export interface Answer<Body = any> {
  status: number;
  headers: Headers;
  body: Body;
}

/** Sends JSON and reads JSON. */
export async function send(
  url: string,
  body?: unknown,
  init: RequestInit & { headers?: Record<string, string> } = {},
): Promise<Answer> {
  const response = await fetch(url, {
    method: body === undefined ? "GET" : "POST",
    ...(body !== undefined && { body: typeof body === "string" ? body : JSON.stringify(body) }),
    ...init,
    headers: { ...(body !== undefined && { "content-type": "application/json" }), ...init.headers },
  });
  const text = await response.text();
  return {
    status: response.status,
    headers: response.headers,
    body: text === "" ? undefined : JSON.parse(text),
  };
}

/** Starts a workflow and answers with its run's id. */
export async function startRun(base: string, name: string, body: unknown): Promise<string> {
  const answer = await send(`${base}/api/orchestrator/${name}`, body);
  if (answer.status !== 200)
    throw new Error(`${name}: ${answer.status} ${JSON.stringify(answer.body)}`);
  return answer.body.runId as string;
}

/** Waits for a run's end. */
export async function finished(
  base: string,
  name: string,
  runId: string,
  seconds = 25,
): Promise<Answer> {
  return send(`${base}/api/orchestrator/${name}?runId=${runId}&wait=${seconds}`);
}

/** Resolves when the condition holds, looked at every few milliseconds. */
export async function until(
  condition: () => Promise<boolean> | boolean,
  ms = 15_000,
  what = "the condition",
): Promise<void> {
  const deadline = Date.now() + ms;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`${what} did not come true within ${ms} ms`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
