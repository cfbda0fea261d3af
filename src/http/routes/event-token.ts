import type { H3Event } from "h3";
import { errorResponse, HttpProblem } from "../errors.ts";
import type { EventTokens } from "../guard/tokens.ts";

/**
 * `POST …/runs/{id}/events/token`: a token by which `GET …/runs/{id}/events?token=` is let in.
 *
 * @param exists whether there is such a run
 */
export async function answerEventToken(
  { req }: Pick<H3Event, "req">,
  runId: string,
  tokens: EventTokens,
  exists: (runId: string) => Promise<boolean>,
): Promise<Response> {
  try {
    if (req.method !== "POST") {
      throw new HttpProblem(405, "Method not allowed. Use POST.", {}, { allow: "POST" });
    }
    if (!(await exists(runId))) throw new HttpProblem(404, "run not found");
    const headers = { "cache-control": "no-store" };
    return Response.json(tokens.issue(runId), { status: 201, headers });
  } catch (error) {
    return errorResponse(error);
  }
}
