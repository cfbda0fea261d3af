/** Passes when the url answers with 200. */
export async function statusTest(ctx, { url }) {
  const response = await fetch(url, { signal: ctx.signal });
  return {
    status: response.status === 200 ? "pass" : "fail",
    details: { received: response.status },
  };
}
