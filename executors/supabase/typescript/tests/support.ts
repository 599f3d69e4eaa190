/** An envelope, and an engine at the other end of `fetch` that a test scripts. */

import type { Envelope } from "../src/envelope.ts";
import { sign } from "../src/signature.ts";

export const SECRET = "a secret of the tests";

export function envelope(changes: Partial<Envelope> = {}): Envelope & { v: 1 } {
  return {
    v: 1,
    run_id: "01890a5d-ac96-774b-bcce-b302099a8057",
    flow_slug: "thumbnails",
    flow_version: 1,
    step_slug: "resize",
    step_type: "single",
    task_index: 0,
    attempt: 1,
    attempt_token: "7c9e6679-7425-40de-944b-e07fc1f90ae7",
    params: null,
    timeout_seconds: 30,
    heartbeat_timeout_seconds: null,
    max_attempts: 3,
    failures: 0,
    launch_deadline: new Date(Date.now() + 60_000).toISOString(),
    report: { kind: "http", url: "https://flows.example.com/" },
    ...changes,
  };
}

export interface Call {
  url: string;
  verb: string;
  body: Record<string, unknown>;
  headers: Headers;
}

/** A promise, and what keeps it. */
export function signalled(): { promise: Promise<void>; resolve: () => void } {
  let resolve = () => {};
  const promise = new Promise<void>((keep) => resolve = keep);
  return { promise, resolve };
}

/** What is answered; "wait": nothing, until the caller ends its call. */
type Reply = { status?: number; body?: unknown; headers?: Record<string, string> } | Error | "wait";

const GOOD: Record<string, unknown> = {
  start: { status: "started", input: { run: { n: 20 } } },
  heartbeat: { status: "ok" },
  complete: { status: "completed" },
  fail: { status: "retrying" },
  release: { status: "released" },
};

/** Answers well unless the test says otherwise for the nth call of a verb. */
export class Engine {
  readonly calls: Call[] = [];
  readonly #script: (call: Call, nth: number) => Reply | undefined;

  constructor(script: (call: Call, nth: number) => Reply | undefined = () => undefined) {
    this.#script = script;
  }

  readonly fetch: typeof fetch = (url, init) => {
    const verb = String(url).split("/").at(-1)!;
    const body = JSON.parse(String(init?.body));
    const call = { url: String(url), verb, body, headers: new Headers(init?.headers) };
    this.calls.push(call);
    const reply = this.#script(call, this.of(verb).length) ?? {};
    if (reply instanceof Error) return Promise.reject(reply);
    if (reply === "wait") return waiting(init?.signal);
    const { status = 200, headers = {} } = reply;
    return Promise.resolve(new Response(JSON.stringify(reply.body ?? GOOD[verb]), { status, headers }));
  };

  of(verb: string): Call[] {
    return this.calls.filter((call) => call.verb === verb);
  }

  /** Wait until a verb was called so often. */
  async until(verb: string, count: number = 1): Promise<Call> {
    for (const deadline = Date.now() + 20_000; this.of(verb).length < count;) {
      if (Date.now() > deadline) {
        throw new Error(`${verb} was not called, but ${this.calls.map((c) => c.verb)}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    return this.of(verb)[count - 1]!;
  }
}

function waiting(signal: AbortSignal | null | undefined): Promise<Response> {
  return new Promise((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason)));
}

/** A request as the executor makes it, to be spoilt by a test. */
export async function request(text: string, headers: Record<string, string> = {}): Promise<Request> {
  const body = new TextEncoder().encode(text);
  const signed = { method: "POST", path: "/images", body, attempt: "pgf-1" };
  const signature = await sign(SECRET, Math.floor(Date.now() / 1000), signed);
  return new Request("https://x.supabase.co/functions/v1/images", {
    method: "POST",
    headers: { "x-pgflow-attempt": "pgf-1", "x-pgflow-signature": signature, ...headers },
    body,
  });
}
