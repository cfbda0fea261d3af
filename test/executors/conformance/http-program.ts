import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { toNodeListener } from "../../../src/http/node.ts";
import { createRunnerHandler } from "../../../src/runner/handler.ts";
import * as runners from "./runners.ts";

// A runner server: its region is in the one argument.
const { region } = JSON.parse(process.argv[2]!) as { region: string };
const handler = createRunnerHandler({ runners, region });
const server = createServer(toNodeListener((request) => handler(request)));
server.listen(0, "127.0.0.1", () => {
  console.log(`listening on ${(server.address() as AddressInfo).port}`);
});
