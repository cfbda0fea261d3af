import { workOneOrder } from "../../../src/cli/order.ts";
import * as runners from "./runners.ts";

// What a pod runs: one order, which is in its environment.
await workOneOrder({ runners });
