/** One POST of JSON: what came back, or that nobody can say. */

/** Nobody can say whether the call arrived: make it again. */
export class Unavailable extends Error {
  override name = "Unavailable";
  readonly retryAfter: number;

  constructor(message: string, retryAfter: number = 0) {
    super(message);
    this.retryAfter = retryAfter;
  }
}

export interface Got {
  status: number;
  text: string;
}

export interface Sending {
  /** How long an answer may take. */
  seconds?: number | undefined;
  signal?: AbortSignal | undefined;
  /** Have a browser send it even if the page goes away now. */
  keepalive?: boolean;
}

/** Post JSON text; throws Unavailable, or the signal's reason. */
export async function post(
  fetcher: typeof fetch,
  url: string,
  headers: Record<string, string>,
  body: string,
  { seconds = 30, signal, keepalive = false }: Sending = {},
): Promise<Got> {
  const time = AbortSignal.timeout(seconds * 1000);
  let got: Got;
  let retryAfter = 0;
  try {
    const response = await fetcher(url, {
      method: "POST",
      headers: { "Content-Type": "application/json", ...headers },
      body,
      redirect: "manual",
      keepalive,
      signal: signal ? AbortSignal.any([time, signal]) : time,
    });
    got = { status: response.status, text: await response.text() };
    retryAfter = Number(response.headers.get("retry-after")) || 0;
  } catch (error) {
    signal?.throwIfAborted();
    throw new Unavailable(`no answer: ${reason(error)}`);
  }
  if (got.status === 408 || got.status === 429 || got.status >= 500) {
    throw new Unavailable(`HTTP status ${got.status}`, retryAfter);
  }
  return got;
}

/** Node's `fetch` says what was wrong only in the cause. */
function reason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause instanceof Error ? error.cause.message : "";
  return cause ? `${error.message}: ${cause}` : error.message;
}

/** Read an answer that must be JSON. */
export function json(text: string): Record<string, unknown> {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    throw new Unavailable("the answer is not JSON");
  }
}

/** Read why something was refused. */
export function problem(response: Got): { code: string; message: string; hint?: string } {
  const fallback = `HTTP status ${response.status}`;
  try {
    const { code, message, hint } = JSON.parse(response.text);
    const told = { code: String(code ?? ""), message: String(message || fallback) };
    return hint ? { ...told, hint: String(hint) } : told;
  } catch {
    return { code: "", message: fallback };
  }
}
