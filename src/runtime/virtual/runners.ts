// Stands for `#orchestrator/virtual/runners` where no Nitro build made it.

/** The app's runners and their input schemas, by export name. */
export const runners: Record<string, unknown> = {};
