/**
 * Starts runs and follows them through PostgREST, as the user who is signed in: in browsers, Deno and Node.
 *
 *     const flows = createClient<Flows>({ url: "https://<ref>.supabase.co/rest/v1", key, accessToken });
 *     const { runId } = await flows.startFlow("counting", { text: "one two" });
 *     for await (const progress of flows.watchRun(runId)) show(progress);
 */

import { insist, pause } from "./delivery.ts";
import type { AnyFlows, FlowTypes } from "./handlers.ts";
import type { Run, RunProgress, Started } from "./runs.ts";
import { json, post, problem } from "./wire.ts";

export type { FlowTypes } from "./handlers.ts";
export type {
  Failed,
  Run,
  RunProgress,
  RunStatus,
  Started,
  StepOfRun,
  StepProgress,
  StepStatus,
} from "./runs.ts";

type Token = string | null | undefined;

export interface ClientOptions {
  /** PostgREST's address; a Supabase project's is "https://<ref>.supabase.co/rest/v1". */
  url: string;
  /** The project's publishable (or legacy anon) key, for the header `apikey`. */
  key?: string;
  /** The JWT of the user, or what gives the current one. */
  accessToken?: Token | (() => Token | Promise<Token>);
  /** In place of `fetch`. */
  fetch?: typeof fetch;
}

export interface StartOptions {
  /** The same key again gives the run that it started first. */
  idempotencyKey?: string;
  tags?: Record<string, unknown>;
  signal?: AbortSignal;
}

export interface WatchOptions {
  /** Ends the watch: the iterator throws its reason. */
  signal?: AbortSignal;
  /** Seconds from look to look at most, where nothing happens; 5 unless given. */
  longestPause?: number;
}

/** The database or the gateway refused; `code` is the SQLSTATE (PF002: no such flow), else "HTTP <status>". */
export class RequestRefused extends Error {
  override name = "RequestRefused";
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

export interface Client<Flows extends FlowTypes = AnyFlows> {
  /** Start a run; a lost answer is asked for again, and starts nothing twice. */
  startFlow<Slug extends keyof Flows & string>(
    flow: Slug,
    input: Flows[Slug]["input"],
    options?: StartOptions,
  ): Promise<Started>;
  /** All there is to know of a run. */
  getRun(runId: string, options?: { signal?: AbortSignal }): Promise<Run<Flows>>;
  /** How far a run is, whenever that has changed, until it has ended. Outages are waited for. */
  watchRun(runId: string, options?: WatchOptions): AsyncGenerator<RunProgress, void, void>;
}

/** Make a client; it connects to nothing until it is asked something. */
export function createClient<Flows extends FlowTypes = AnyFlows>(options: ClientOptions): Client<Flows> {
  return new PostgrestClient<Flows>(options);
}

/** Seconds that a question is asked for. */
const PATIENCE = 30;
const FIRST_PAUSE = 0.25;
const LONGEST_PAUSE = 5;

class PostgrestClient<Flows extends FlowTypes> implements Client<Flows> {
  readonly #options: ClientOptions;
  readonly #url: string;

  constructor(options: ClientOptions) {
    this.#options = options;
    this.#url = options.url.endsWith("/") ? options.url : `${options.url}/`;
  }

  async startFlow(flow: string, input: unknown, { signal, ...options }: StartOptions = {}): Promise<Started> {
    const asked = {
      flow_slug: flow,
      input,
      idempotency_key: options.idempotencyKey ?? crypto.randomUUID(),
      tags: options.tags ?? {},
    };
    const [started] = await this.#ask("start_flow", asked, inTime(signal)) as [Row];
    return named(started!) as unknown as Started;
  }

  async getRun(runId: string, { signal }: { signal?: AbortSignal } = {}): Promise<Run<Flows>> {
    return withSteps(await this.#ask("get_run", { run_id: runId }, inTime(signal))) as Run<Flows>;
  }

  async *watchRun(
    runId: string,
    { signal, longestPause = LONGEST_PAUSE }: WatchOptions = {},
  ): AsyncGenerator<RunProgress, void, void> {
    let last = "";
    for (let seconds = FIRST_PAUSE;; seconds = Math.min(1.5 * seconds, longestPause)) {
      const answer = await this.#ask("get_progress", { run_id: runId }, { until: Infinity, signal });
      const text = JSON.stringify(answer);
      if (text !== last) {
        const progress = withSteps(answer) as RunProgress;
        yield progress;
        if (progress.status !== "running") return;
        [last, seconds] = [text, FIRST_PAUSE];
      }
      await pause(seconds, signal);
    }
  }

  async #ask(
    verb: string,
    asked: Row,
    how: { until: number; signal: AbortSignal | undefined },
  ): Promise<unknown> {
    return await insist(async () => {
      const headers = await this.#headers();
      const { signal } = how;
      const got = await post(
        this.#options.fetch ?? fetch,
        `${this.#url}rpc/${verb}`,
        headers,
        JSON.stringify(asked),
        {
          signal,
        },
      );
      if (got.status === 200) return json(got.text);
      const { code, message, hint } = problem(got);
      throw new RequestRefused(code || `HTTP ${got.status}`, hint ? `${message} (${hint})` : message);
    }, how);
  }

  async #headers(): Promise<Record<string, string>> {
    const { key, accessToken } = this.#options;
    const token = typeof accessToken === "function" ? await accessToken() : accessToken;
    return {
      "Content-Profile": "pgflow",
      ...(key ? { apikey: key } : {}),
      ...(token ? { Authorization: `Bearer ${token}` } : {}),
    };
  }
}

type Row = Record<string, unknown>;

function inTime(signal: AbortSignal | undefined): { until: number; signal: AbortSignal | undefined } {
  return { until: Date.now() + 1000 * PATIENCE, signal };
}

function withSteps(row: unknown): unknown {
  const { steps, ...run } = row as Row & { steps: Row[] };
  return { ...named(run), steps: steps.map(named) };
}

/** `flow_slug` is `flow` here, `run_id` is `runId`, and what happened `_at` some time is a Date. */
function named(row: Row): Row {
  const told: Row = {};
  for (const [name, value] of Object.entries(row)) {
    const key = name.replace(/_slug$/, "").replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
    told[key] = name.endsWith("_at") && typeof value === "string" ? new Date(value) : value;
  }
  return told;
}
