/**
 * A worker that asks the completion API for tasks and runs them, in Deno, Node and browsers.
 *
 *     const worker = createWorker<Flows>({ url, key, executor: "browser", handlers: { greeting: { greet } } });
 *     await worker.run();
 */

import { handBack, type Outcome, runStarted } from "./attempt.ts";
import { deliver, insist, type Message, pause } from "./delivery.ts";
import type { Envelope } from "./envelope.ts";
import { type AnyFlows, type FlowHandlers, type FlowTypes, handlerOf } from "./handlers.ts";
import { type Reporter, reporterFor } from "./reporter.ts";
import { json, post, problem } from "./wire.ts";

export { NonRetryable, RetryAfter } from "./errors.ts";
export type { FlowHandlers, FlowTypes, Handler, HandlersOf, Task } from "./handlers.ts";

export interface WorkerOptions<Flows extends FlowTypes = AnyFlows> {
  /** Where the completion API is served: "https://flows.example.com". */
  url: string;
  /** A worker key: `pgflow keys create`. */
  key: string;
  /** Whose tasks to claim: the executor that the steps name. */
  executor: string;
  /** Flows by slug, and in each its steps by slug. */
  handlers: FlowHandlers<NoInfer<Flows>>;
  /** Names the worker in `pgflow status`; made up unless given. */
  workerId?: string;
  /** Tasks at a time; 1 unless given. */
  concurrency?: number;
  /** Silent for so long, the worker has lost its tasks; 30 unless given. */
  leaseSeconds?: number;
  /** Told when the API is out of reach, once each time; else the console is. The worker tries on. */
  onProblem?: (error: Error) => void;
  /** In place of `fetch`. */
  fetch?: typeof fetch;
}

export interface Worker {
  /** Claim and run tasks until `stop`; throws WorkerRefused if the API will never give any. */
  run(): Promise<void>;
  /** Claim nothing more, let tasks end for so long (10 s unless given), hand back what is left. */
  stop(options?: { graceSeconds?: number }): Promise<void>;
}

/** The API gives this worker nothing: the key or the executor is wrong, or the url is. */
export class WorkerRefused extends Error {
  override name = "WorkerRefused";
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/** Make a worker; it does nothing until `run`. */
export function createWorker<Flows extends FlowTypes = AnyFlows>(options: WorkerOptions<Flows>): Worker {
  return new PullWorker(options as unknown as WorkerOptions);
}

/** Seconds that a claim waits for tasks, and that its answer may take. */
const WAIT = 30;
const ANSWER = 45;
/** Seconds that a task rests that this worker has no handler for, so that another one gets it. */
const MISSING = 30;
/** Seconds that a hand-back is tried for. */
const HANDING_BACK = 10;
const MOST_TASKS = 100;

type Claimed = Omit<Envelope, "report" | "launch_deadline"> & {
  input: Record<string, unknown> | null;
  lease_expires_at: string;
};

class PullWorker implements Worker {
  readonly #options: WorkerOptions;
  readonly #url: string;
  readonly #id: string;
  readonly #fetch: typeof fetch;
  readonly #leaseSeconds: number;
  readonly #concurrency: number;
  readonly #stopping = new AbortController();
  readonly #running = new Set<Promise<unknown>>();
  readonly #ends = new Set<(report: Message) => void>();
  #ended: Promise<void> | undefined;

  constructor(options: WorkerOptions) {
    this.#options = options;
    this.#url = options.url.endsWith("/") ? options.url : `${options.url}/`;
    this.#id = options.workerId ?? `js-${crypto.randomUUID()}`;
    this.#fetch = options.fetch ?? fetch;
    this.#leaseSeconds = options.leaseSeconds ?? 30;
    this.#concurrency = options.concurrency ?? 1;
    if (!(Number.isInteger(this.#concurrency) && this.#concurrency > 0)) {
      throw new RangeError(`concurrency is ${this.#concurrency}: give a whole number above 0`);
    }
  }

  run(): Promise<void> {
    return this.#ended ??= this.#work();
  }

  async stop({ graceSeconds = 10 }: { graceSeconds?: number } = {}): Promise<void> {
    this.#stopping.abort();
    const waited = new AbortController();
    if (graceSeconds > 0 && this.#running.size > 0) {
      await Promise.race([Promise.all(this.#running), pause(graceSeconds, waited.signal).catch(() => {})]);
      waited.abort();
    }
    for (const end of this.#ends) end(STOPPED);
    await this.#ended?.catch(() => {}); // whoever called `run` is told
  }

  async #work(): Promise<void> {
    // A page that goes away has no time for more.
    const leave = () => void this.stop({ graceSeconds: 0 });
    globalThis.addEventListener?.("pagehide", leave);
    try {
      while (!this.#stopping.signal.aborted) await this.#round();
    } finally {
      await Promise.all(this.#running);
      globalThis.removeEventListener?.("pagehide", leave);
    }
  }

  async #round(): Promise<void> {
    const room = this.#concurrency - this.#running.size;
    if (room === 0) {
      await Promise.race(this.#running);
      return;
    }
    for (const task of await this.#claim(Math.min(room, MOST_TASKS))) {
      const work = this.#take(task).finally(() => this.#running.delete(work));
      this.#running.add(work);
    }
  }

  async #claim(count: number): Promise<Claimed[]> {
    const { signal } = this.#stopping;
    const onProblem = this.#options.onProblem ??
      ((error: Error) => console.error(`pgflow: ${error.message}`));
    const headers = { Authorization: `Bearer ${this.#options.key}` };
    const body = JSON.stringify({
      executor: this.#options.executor,
      worker_id: this.#id,
      max_tasks: count,
      wait_seconds: WAIT,
      lease_seconds: this.#leaseSeconds,
    });
    const ask = () =>
      post(this.#fetch, `${this.#url}v1/tasks/claim`, headers, body, { seconds: ANSWER, signal });
    try {
      return await insist(async () => {
        const got = await ask();
        if (got.status === 200) return json(got.text).tasks as Claimed[];
        const { code, message } = problem(got);
        throw new WorkerRefused(
          code,
          got.status === 404 ? `${message}: is this the completion API?` : message,
        );
      }, { until: Infinity, signal, onProblem });
    } catch (error) {
      if (signal.aborted && !(error instanceof WorkerRefused)) return [];
      throw error;
    }
  }

  /** Run a task to its report; never throws. */
  #take(task: Claimed): Promise<Outcome> {
    const report = { kind: "http", url: this.#url } as const;
    const envelope: Envelope = { ...task, report, launch_deadline: task.lease_expires_at };
    const reporter = reporterFor(envelope, this.#fetch);
    const name = `${task.flow_slug}.${task.step_slug}`;
    const handler = handlerOf(this.#options.handlers, task.flow_slug, task.step_slug);
    if (this.#stopping.signal.aborted) return tell(reporter, STOPPED);
    if (handler === undefined) {
      return tell(
        reporter,
        handBack("HANDLER_MISSING", `worker ${this.#id} has no handler for ${name}`, MISSING),
      );
    }
    const beatEvery = Math.min(this.#leaseSeconds, task.heartbeat_timeout_seconds ?? Infinity) / 3;
    return runStarted(envelope, handler, reporter, task.input ?? {}, {
      beatEvery,
      onEnd: (end) => {
        this.#ends.add(end);
        return () => this.#ends.delete(end);
      },
    });
  }
}

const STOPPED = handBack("SHUTDOWN", "the worker was stopped");

async function tell(reporter: Reporter, report: Message): Promise<Outcome> {
  try {
    await deliver(reporter, report, Date.now() + 1000 * HANDING_BACK);
    return "stopped";
  } catch (error) {
    console.error(`pgflow: ${error}`);
    return "undelivered"; // its lease will run out
  }
}
