/** One call of one verb for one attempt, by the completion API or by PostgREST; never a retry. */

import type { Envelope } from "./envelope.ts";
import { json, post, problem, Unavailable } from "./wire.ts";

export type Verb = "start" | "heartbeat" | "complete" | "fail" | "release";

/** The attempt is over, or another instance has it: stop, and say nothing more. */
export class NotWanted extends Error {
  override name = "NotWanted";
}

/** The same call will never be taken. */
export class Refused extends Error {
  override name = "Refused";
  readonly kind: "too_large" | "invalid" | "setup";

  constructor(kind: Refused["kind"], message: string) {
    super(message);
    this.kind = kind;
  }
}

export interface Answer {
  status: string;
  input?: Record<string, unknown>;
}

export interface Reporter {
  /** `fields` are those of the completion API; `output` is JSON text, put in as it is. */
  call(verb: Verb, fields: Record<string, unknown>, output?: string, seconds?: number): Promise<Answer>;
}

const LEASE_SECONDS = 30;
const BUSY_STATES = new Set(["40001", "40P01", "55P03"]);
const BUSY_CLASSES = new Set(["08", "53", "57", "58"]);

/** Return the reporter that the envelope asks for. */
export function reporterFor(envelope: Envelope, fetcher: typeof fetch = fetch): Reporter {
  return envelope.report.kind === "http" ? overHttp(envelope, fetcher) : overPostgrest(envelope, fetcher);
}

function overHttp(envelope: Envelope, fetcher: typeof fetch): Reporter {
  const { url } = envelope.report;
  const headers = { Authorization: `Bearer ${envelope.attempt_token}` };
  const address = addressOf(envelope);
  return {
    async call(verb, fields, output, seconds) {
      const text = withOutput({ ...address, ...fields }, output);
      const response = await post(fetcher, `${url}v1/tasks/${verb}`, headers, text, {
        seconds,
        // What a page says when it goes away.
        keepalive: verb === "release",
      });
      if (response.status === 200) return json(response.text) as unknown as Answer;
      const { code, message } = problem(response);
      if (response.status === 401 || response.status === 409 || code === "UNKNOWN_TASK") {
        throw new NotWanted(message);
      }
      if (response.status === 413) throw new Refused("too_large", message);
      if (response.status === 422) throw new Refused("invalid", message);
      throw new Refused("setup", `${message} (HTTP status ${response.status}): is this the completion API?`);
    },
  };
}

function overPostgrest(envelope: Envelope, fetcher: typeof fetch): Reporter {
  const target = envelope.report as Extract<Envelope["report"], { kind: "postgrest" }>;
  const headers: Record<string, string> = {
    "Content-Profile": "pgflow",
    Accept: "application/vnd.pgrst.object+json",
  };
  if (target.apikey !== undefined) {
    headers.apikey = target.apikey;
    // The new keys are no JWTs, and are refused as a bearer.
    if (target.apikey.split(".").length === 3) headers.Authorization = `Bearer ${target.apikey}`;
  }
  const task = { ...addressOf(envelope), attempt_token: envelope.attempt_token };
  return {
    async call(verb, fields, output, seconds) {
      const [procedure, text] = procedureOf(verb, task, fields, output);
      const response = await post(fetcher, `${target.url}rpc/${procedure}`, headers, text, { seconds });
      if (response.status === 200) return judged(json(response.text) as unknown as Answer);
      const { code, message } = problem(response);
      if (response.status === 413) throw new Refused("too_large", message);
      throw judgeState(code, message);
    },
  };
}

function procedureOf(
  verb: Verb,
  task: Record<string, unknown>,
  fields: Record<string, unknown>,
  output?: string,
): [string, string] {
  if (verb === "start") return ["start_step_task", JSON.stringify({ ...task, ...fields })];
  if (verb === "heartbeat") {
    const body = { tasks: [{ ...task, ...fields }], lease_seconds: LEASE_SECONDS };
    return ["heartbeat_step_tasks", JSON.stringify(body)];
  }
  const report = withOutput({ ...task, ...fields, outcome: verb }, output);
  return ["report_step_tasks", `{"reports":[${report}]}`];
}

function judged(answer: Answer): Answer {
  if (["stale", "conflict", "unknown"].includes(answer.status)) {
    throw new NotWanted(`the attempt is not ours: ${answer.status}`);
  }
  if (answer.status === "invalid") throw new Refused("invalid", "the engine does not understand the report");
  return answer;
}

function judgeState(state: string, message: string): Error {
  if (state === "PF003") return new NotWanted(message);
  if (state === "PF007") return new Refused("too_large", message);
  if (state === "PF008" || state.startsWith("22")) return new Refused("invalid", message);
  if (BUSY_STATES.has(state) || BUSY_CLASSES.has(state.slice(0, 2))) return new Unavailable(message);
  return new Refused("setup", `${message} (${state || "no code"}): may this key report tasks?`);
}

function addressOf(envelope: Envelope): Record<string, unknown> {
  const { run_id, step_slug, task_index } = envelope;
  return { run_id, step_slug, task_index };
}

/** JSON text of a report; the output goes in as the text it is. */
export function withOutput(fields: Record<string, unknown>, output?: string): string {
  const text = JSON.stringify(fields);
  return output === undefined ? text : `${text.slice(0, -1)},"output":${output}}`;
}
