/** Proves that a request comes from the dispatcher: HMAC-SHA256 over when, where, what and for which attempt. */

/** Seconds that the clocks of both sides may differ. */
export const WINDOW_SECONDS = 300;

const encoder = new TextEncoder();

/** A request is not signed as it must be; `code` is stable. */
export class SignatureInvalid extends Error {
  override name = "SignatureInvalid";
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

export interface Signed {
  method: string;
  /** The path of the request's URL; a gateway may have taken "/functions/v1" off. */
  path: string;
  body: Uint8Array<ArrayBuffer>;
  /** The header x-pgflow-attempt. */
  attempt: string;
}

/** Return the header x-pgflow-signature of a request. */
export async function sign(secret: string, timestamp: number, request: Signed): Promise<string> {
  const mac = await crypto.subtle.sign("HMAC", await keyOf(secret), await signedText(timestamp, request));
  return `v1,t=${timestamp},${hex(mac)}`;
}

/** Throw SignatureInvalid unless one of the secrets signed the request in the last five minutes. */
export async function verify(
  secrets: readonly string[],
  header: string | null,
  request: Signed,
  now: number = Date.now() / 1000,
): Promise<void> {
  const match = /^v1,t=(\d{1,12}),([0-9a-f]{64})$/.exec(header ?? "");
  if (!match) {
    throw new SignatureInvalid("SIGNATURE_MISSING", "the request has no x-pgflow-signature of version 1");
  }
  const timestamp = Number(match[1]);
  if (Math.abs(now - timestamp) > WINDOW_SECONDS) {
    throw new SignatureInvalid("SIGNATURE_EXPIRED", "the signature is too old, or a clock is wrong");
  }
  const text = await signedText(timestamp, request);
  const mac = bytes(match[2]!);
  for (const secret of secrets) {
    // The comparison inside `verify` takes the same time wherever the two differ.
    if (await crypto.subtle.verify("HMAC", await keyOf(secret), mac, text)) return;
  }
  throw new SignatureInvalid("SIGNATURE_WRONG", "the request was not signed with PGFLOW_SIGNING_SECRET");
}

async function signedText(timestamp: number, request: Signed): Promise<Uint8Array<ArrayBuffer>> {
  const body = hex(await crypto.subtle.digest("SHA-256", request.body));
  const path = request.path.replace(/^\/functions\/v1(?=\/)/, "");
  return encoder.encode(["v1", timestamp, request.method, path, body, request.attempt].join("|"));
}

function keyOf(secret: string): Promise<CryptoKey> {
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  return crypto.subtle.importKey("raw", encoder.encode(secret), algorithm, false, ["sign", "verify"]);
}

function hex(buffer: ArrayBuffer): string {
  return [...new Uint8Array(buffer)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

function bytes(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}
