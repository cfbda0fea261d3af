/** The JSON of a successful answer; rejects with the message of any other. */
export async function request(url, init) {
  const response = await fetch(url, init);
  const body = await response.json();
  if (response.ok) return body;
  throw new Error(`${url} answered ${response.status}: ${body.error ?? body.message}`);
}

/** Posts JSON. */
export function post(url, body) {
  return request(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
}
