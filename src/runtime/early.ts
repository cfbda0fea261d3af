import { H3 } from "h3";
import type { ApiHandler } from "../http/app.ts";
import { requestId, withRequestId } from "../http/observe.ts";
import { addOpsRoutes, isForOperators, type OpsRouteOptions } from "../http/routes/ops.ts";

/** The API, of which only what operators ask is answered before the orchestrator has started. */
export function onceReady(
  api: ApiHandler,
  ready: Promise<void>,
  mount: Pick<OpsRouteOptions, "route" | "service">,
): ApiHandler {
  return async (request) => {
    if (!isForOperators(request, mount)) await ready;
    return api(request);
  };
}

/** What operators are answered where there is no orchestrator; nothing for any other request. */
export function createEarlyApi(
  options: OpsRouteOptions,
): (request: Request) => Promise<Response> | undefined {
  const app = new H3({ silent: true });
  addOpsRoutes(app, options);
  const answer = async (request: Request): Promise<Response> =>
    withRequestId(await app.fetch(request), requestId(request.headers));
  return (request) => (isForOperators(request, options) ? answer(request) : undefined);
}
