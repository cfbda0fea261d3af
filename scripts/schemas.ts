import * as z from "zod";
import {
  checkpointSchema,
  serviceEventSchema,
  serviceRunSchema,
} from "../src/http/service-schemas.ts";

const published: Record<string, [title: string, schema: z.ZodType]> = {
  run: ["Run", serviceRunSchema],
  checkpoint: ["Checkpoint", checkpointSchema],
  event: ["Event", serviceEventSchema],
};

/** The texts of the JSON Schemas that the package publishes, by their file's name. */
export function publishedSchemas(): Record<string, string> {
  return Object.fromEntries(
    Object.entries(published).map(([name, [title, schema]]) => {
      const { $schema, ...rest } = JSON.parse(JSON.stringify(written(schema)));
      // A URN: the files are in the package, and nowhere on the network.
      const about = { $schema, $id: `urn:runners:orchestrator:${name}`, title };
      return [`${name}.schema.json`, `${JSON.stringify({ ...about, ...rest }, null, 2)}\n`];
    }),
  );
}

function written(schema: z.ZodType): object {
  return z.toJSONSchema(schema, {
    io: "input",
    override({ zodSchema, jsonSchema }) {
      // What `format` says already, for machines only.
      if (zodSchema instanceof z.ZodISODateTime) delete jsonSchema.pattern;
      // Of every object.
      delete jsonSchema.propertyNames;
    },
  });
}
