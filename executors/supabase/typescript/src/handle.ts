/** The function itself: takes signed envelopes, answers at once, runs the attempt after the answer. */

import { runAttempt } from "./attempt.ts";
import { type Envelope, EnvelopeInvalid, parseEnvelope } from "./envelope.ts";
import { type AnyFlows, type FlowHandlers, type FlowTypes, handlerOf } from "./handlers.ts";
import { listen, variable, waitUntil } from "./platform.ts";
import { reporterFor } from "./reporter.ts";
import { SignatureInvalid, verify } from "./signature.ts";
import { secondsToWait, WaitedFor } from "./waiting.ts";

export interface Options {
  /** The secret that requests are signed with; else PGFLOW_SIGNING_SECRET, two separated by a comma while one is replaced. */
  signingSecret?: string;
  /** How reports are sent, in place of `fetch`. */
  fetch?: typeof fetch;
}

const MAX_BODY = 1_048_576;

/**
 * Serve the handlers as an edge function: `serve({ flow_slug: { step_slug: handler } })`.
 *
 * With the types of `pgflow typegen`, `serve<Flows>({...})`, the compiler holds the handlers to them.
 */
export function serve<Flows extends FlowTypes = AnyFlows>(
  handlers: FlowHandlers<NoInfer<Flows>>,
  options: Options = {},
): void {
  listen((request) => handle<Flows>(request, handlers, options));
}

/** Answer one request: 202 and the attempt runs on, 200 and its report if that was waited for, or why it does not. */
export async function handle<Flows extends FlowTypes = AnyFlows>(
  request: Request,
  handlers: FlowHandlers<NoInfer<Flows>>,
  options: Options = {},
): Promise<Response> {
  if (request.method !== "POST") return refuse(405, "METHOD_NOT_ALLOWED", "attempts are posted");
  const secrets = secretsOf(options);
  if (secrets.length === 0) {
    return refuse(401, "SECRET_MISSING", "set the secret PGFLOW_SIGNING_SECRET of this function");
  }
  const body = await read(request);
  if (body === null) return refuse(413, "BODY_TOO_LARGE", `the body is larger than ${MAX_BODY} bytes`);
  const attempt = request.headers.get("x-pgflow-attempt") ?? "";
  const signed = { method: "POST", path: new URL(request.url).pathname, body, attempt };
  try {
    await verify(secrets, request.headers.get("x-pgflow-signature"), signed);
    const envelope = parseEnvelope(new TextDecoder("utf-8", { fatal: true }).decode(body));
    return await accept(envelope, handlers, attempt, options, secondsToWait(request.headers));
  } catch (error) {
    if (error instanceof SignatureInvalid) return refuse(401, error.code, error.message);
    if (error instanceof EnvelopeInvalid) return refuse(422, "ENVELOPE_INVALID", error.message);
    if (error instanceof TypeError) return refuse(422, "ENVELOPE_INVALID", "the body is not UTF-8");
    throw error;
  }
}

async function accept(
  envelope: Envelope,
  handlers: object,
  attempt: string,
  options: Options,
  seconds: number,
): Promise<Response> {
  const handler = handlerOf(handlers, envelope.flow_slug, envelope.step_slug);
  if (handler === undefined) {
    const name = `${envelope.flow_slug}.${envelope.step_slug}`;
    return refuse(422, "HANDLER_MISSING", `this function has no handler for ${name}: deploy it again`);
  }
  // One worker serves many requests, so its own id would not tell two invocations apart.
  const instance = [variable("SB_EXECUTION_ID"), crypto.randomUUID()].filter(Boolean).join("/");
  const reporter = reporterFor(envelope, options.fetch);
  const accepted = { accepted: attempt, instance };
  if (seconds === 0) {
    waitUntil(runAttempt(envelope, handler, instance, reporter));
    return Response.json(accepted, { status: 202 });
  }
  const waited = new WaitedFor(reporter, seconds);
  waitUntil(runAttempt(envelope, handler, instance, waited).finally(() => waited.end()));
  const report = await waited.report;
  if (report === null) return Response.json(accepted, { status: 202 });
  const body = `${JSON.stringify(accepted).slice(0, -1)},"report":${report}}`;
  return new Response(body, { headers: { "content-type": "application/json" } });
}

function secretsOf(options: Options): string[] {
  const text = options.signingSecret ?? variable("PGFLOW_SIGNING_SECRET") ?? "";
  return text.split(",").map((secret) => secret.trim()).filter((secret) => secret !== "");
}

/** The body, or null if it is larger than it may be. */
async function read(request: Request): Promise<Uint8Array<ArrayBuffer> | null> {
  if (Number(request.headers.get("content-length")) > MAX_BODY) return null;
  const reader = request.body?.getReader();
  const chunks: Uint8Array[] = [];
  let size = 0;
  for (let part = await reader?.read(); part?.value; part = await reader?.read()) {
    size += part.value.byteLength;
    if (size > MAX_BODY) {
      await reader?.cancel();
      return null;
    }
    chunks.push(part.value);
  }
  const body = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    body.set(chunk, at);
    at += chunk.byteLength;
  }
  return body;
}

function refuse(status: number, code: string, message: string): Response {
  return Response.json({ code, message }, { status });
}
