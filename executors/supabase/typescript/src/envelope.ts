/** The envelope: what the executor posts to a function to have one attempt run. */

/** Where the attempt reports to: the completion API, or the SQL verbs through PostgREST. */
export type ReportTarget =
  | { kind: "http"; url: string }
  | { kind: "postgrest"; url: string; apikey?: string };

/** A handler's parameter is the flow's input, the item of a map, a dependency's output, or a constant. */
export type Source = string | { const: unknown };

export interface Envelope {
  run_id: string;
  flow_slug: string;
  flow_version: number;
  step_slug: string;
  step_type: "single" | "map";
  task_index: number;
  attempt: number;
  attempt_token: string;
  params: Record<string, Source> | null;
  timeout_seconds: number;
  heartbeat_timeout_seconds: number | null;
  max_attempts: number;
  failures: number;
  launch_deadline: string;
  report: ReportTarget;
}

/** What was posted is not an envelope that this package can read. */
export class EnvelopeInvalid extends Error {
  override name = "EnvelopeInvalid";
}

/** Read an envelope; keys that this version does not know are ignored.  Errors quote no secret. */
export function parseEnvelope(text: string): Envelope {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new EnvelopeInvalid("the body is not JSON");
  }
  if (!isObject(value)) throw new EnvelopeInvalid("the body is not an object");
  if (value.v !== 1) {
    throw new EnvelopeInvalid(
      "the envelope is not of version 1: use versions of pgflow-supabase and @pgflow/edge that go together",
    );
  }
  for (const [name, check] of Object.entries(CHECKS)) {
    if (!check(value[name])) throw new EnvelopeInvalid(`"${name}" of the envelope is missing or wrong`);
  }
  return { params: null, heartbeat_timeout_seconds: null, ...value } as unknown as Envelope;
}

type Check = (value: unknown) => boolean;

const isText: Check = (value) => typeof value === "string" && value !== "";
const isWhole: Check = (value) => Number.isInteger(value);
const isSeconds: Check = (value) => typeof value === "number" && value > 0;

const CHECKS: Record<string, Check> = {
  run_id: isText,
  flow_slug: isText,
  flow_version: isWhole,
  step_slug: isText,
  step_type: (value) => value === "single" || value === "map",
  task_index: isWhole,
  attempt: isWhole,
  attempt_token: isText,
  params: (value) => value === null || value === undefined || isObject(value),
  timeout_seconds: isSeconds,
  heartbeat_timeout_seconds: (value) => value === null || value === undefined || isSeconds(value),
  max_attempts: isWhole,
  failures: isWhole,
  launch_deadline: (value) => isText(value) && !Number.isNaN(Date.parse(value as string)),
  report: isTarget,
};

function isTarget(value: unknown): boolean {
  if (!isObject(value) || !(value.kind === "http" || value.kind === "postgrest")) return false;
  return typeof value.url === "string" && /^https?:\/\/.+\/$/.test(value.url);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
