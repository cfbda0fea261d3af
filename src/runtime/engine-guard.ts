/** Stands where the engine's queue routes were: messages reach the engine inside the process only. */
export default function refuse(): Response {
  return Response.json(
    { error: "Forbidden: the engine's queue takes no messages from outside" },
    { status: 403 },
  );
}
