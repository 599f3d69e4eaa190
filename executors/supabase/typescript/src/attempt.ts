/** One attempt: handshake, input, handler, report. */

import { deliver, type Message } from "./delivery.ts";
import type { Envelope } from "./envelope.ts";
import { type Failure, failure, failureOf } from "./errors.ts";
import type { Handler, Task } from "./handlers.ts";
import { onLeave } from "./platform.ts";
import { NotWanted, Refused, type Reporter } from "./reporter.ts";

/** How far a handler says it has come. */
export interface Progress {
  done: number;
  total?: number;
  message?: string;
}

/** How an attempt went; `stopped`: somebody else decided, and nothing was to be said. */
export type Outcome = "completed" | "failed" | "stopped" | "undelivered";

/** How whoever runs an attempt sees to it. */
export interface Care {
  /** Seconds from heartbeat to heartbeat. */
  beatEvery: number;
  /** Has `end` called with a report if the attempt must not go on here; returns how to take that back. */
  onEnd(end: (report: Message) => void): () => void;
}

/** Without a heartbeat timeout heartbeats only ask whether the run was cancelled. */
const ASK_EVERY = 15;
/** Seconds that a report is tried for, at least, even if the attempt's own time is up. */
const REPORTING = 10;
/** The same for the handshake: this clock may be ahead of the engine's, which alone decides. */
const STARTING = 30;
/** Seconds: a timer above 2^31 ms goes off at once. */
const LONGEST_TIMER = 86_400;

/** Run one attempt and report it; `instance` names this invocation among all that got the same envelope. */
export async function runAttempt(
  envelope: Envelope,
  handler: Handler,
  instance: string,
  reporter: Reporter,
): Promise<Outcome> {
  const until = Math.max(Date.parse(envelope.launch_deadline), Date.now() + STARTING * 1000);
  let input: Record<string, unknown>;
  try {
    const answer = await deliver(reporter, { verb: "start", fields: { instance_id: instance } }, until);
    input = answer.input ?? {};
  } catch (error) {
    return quiet(error);
  }
  const care: Care = {
    beatEvery: Math.min(ASK_EVERY, (envelope.heartbeat_timeout_seconds ?? Infinity) / 3),
    onEnd: (end) => onLeave((reason) => end(leaving(reason))),
  };
  return await runStarted(envelope, handler, reporter, input, care);
}

/** Run an attempt that has its input already, and report it. */
export function runStarted(
  envelope: Envelope,
  handler: Handler,
  reporter: Reporter,
  input: Record<string, unknown>,
  care: Care,
): Promise<Outcome> {
  return new Running(envelope, reporter, care).run(handler, bound(envelope, input));
}

/** Name the inputs as the handler's parameters are named; what a skipped step left out is left out. */
export function bound(envelope: Envelope, input: Record<string, unknown>): Record<string, unknown> {
  if (envelope.params === null) return input;
  const named: Record<string, unknown> = {};
  for (const [name, source] of Object.entries(envelope.params)) {
    if (typeof source !== "string") named[name] = source.const;
    else if (Object.hasOwn(input, source)) named[name] = input[source];
  }
  return named;
}

class Running {
  readonly #envelope: Envelope;
  readonly #reporter: Reporter;
  readonly #care: Care;
  readonly #abort = new AbortController();
  readonly #deadline: number;
  readonly #cleanups: (() => void)[] = [];
  #progress: Progress | undefined;

  constructor(envelope: Envelope, reporter: Reporter, care: Care) {
    this.#envelope = envelope;
    this.#reporter = reporter;
    this.#care = care;
    this.#deadline = Date.now() + envelope.timeout_seconds * 1000;
  }

  async run(handler: Handler, input: Record<string, unknown>): Promise<Outcome> {
    const interrupted = new Promise<Message | null>((resolve) => this.#watch(resolve));
    try {
      const message = await Promise.race([this.#work(handler, input), interrupted]);
      if (message === null) return "stopped";
      return await this.#report(message);
    } finally {
      this.#cleanups.forEach((cleanup) => cleanup());
      this.#abort.abort();
    }
  }

  /** Whatever ends the attempt before its handler does: time, a cancel, a lost lease, the worker's end. */
  #watch(end: (message: Message | null) => void): void {
    const stop = (message: Message | null) => {
      end(message);
      this.#abort.abort();
    };
    const seconds = this.#envelope.timeout_seconds;
    this.#after(seconds, () => stop(failed(failure("TIMEOUT", `not finished within ${seconds} s`))));
    this.#cleanups.push(this.#care.onEnd(stop));
    this.#beat(() => stop(null));
  }

  #beat(over: () => void): void {
    const seconds = this.#care.beatEvery;
    this.#after(seconds, async () => {
      try {
        const fields = this.#progress === undefined ? {} : { progress: this.#progress };
        const answer = await this.#reporter.call("heartbeat", fields, undefined, Math.max(1, seconds));
        if (answer.status === "cancel") return over();
      } catch (error) {
        if (error instanceof NotWanted) return over();
      }
      if (!this.#abort.signal.aborted) this.#beat(over);
    });
  }

  #after(seconds: number, act: () => void): void {
    const left = seconds - LONGEST_TIMER;
    const timer = left > 0
      ? setTimeout(() => this.#after(left, act), LONGEST_TIMER * 1000)
      : setTimeout(act, seconds * 1000);
    this.#cleanups.push(() => clearTimeout(timer));
  }

  async #work(handler: Handler, input: Record<string, unknown>): Promise<Message> {
    let output: string | undefined;
    try {
      const result = await handler(input, this.#task());
      try {
        output = JSON.stringify(result ?? null);
      } catch (error) {
        return failed(
          failure("OUTPUT_INVALID", `the output is not JSON: ${(error as Error).message}`, false),
        );
      }
    } catch (error) {
      return failed(failureOf(error));
    }
    if (output === undefined) return failed(failure("OUTPUT_INVALID", "the output is not JSON", false));
    return { verb: "complete", fields: {}, output };
  }

  async #report(message: Message): Promise<Outcome> {
    const until = Math.max(this.#deadline, Date.now() + REPORTING * 1000);
    try {
      await deliver(this.#reporter, message, until);
      return message.verb === "complete" ? "completed" : "failed";
    } catch (error) {
      if (!(error instanceof Refused) || error.kind === "setup" || message.verb !== "complete") {
        return quiet(error);
      }
      const code = error.kind === "too_large" ? "OUTPUT_TOO_LARGE" : "OUTPUT_INVALID";
      return await this.#report(failed(failure(code, error.message, false)));
    }
  }

  #task(): Task {
    const told = this.#envelope;
    return {
      runId: told.run_id,
      flow: told.flow_slug,
      flowVersion: told.flow_version,
      step: told.step_slug,
      index: told.task_index,
      attempt: told.attempt,
      maxAttempts: told.max_attempts,
      deadline: new Date(this.#deadline),
      signal: this.#abort.signal,
      progress: (progress) => {
        this.#progress = progress;
      },
    };
  }
}

function failed(what: Failure): Message {
  return { verb: "fail", fields: { ...what } };
}

/**
 * A worker that is replaced hands its attempt back, which costs nothing.  One that reached a limit of the
 * platform failed: handed back, a step that always does would be tried for ever.
 */
function leaving(reason: string): Message {
  if (reason === "termination" || reason === "early_drop") {
    return handBack("SHUTDOWN", `the worker was told to end (${reason})`);
  }
  return failed(failure("WORKER_SHUTDOWN", `the platform ended the worker (${reason})`));
}

/** The report that hands an attempt back, to be claimed again at once or after some seconds. */
export function handBack(code: string, message: string, seconds: number = 0): Message {
  const error = { code, message };
  return { verb: "release", fields: seconds > 0 ? { error, retry_after_seconds: seconds } : { error } };
}

function quiet(error: unknown): Outcome {
  if (error instanceof NotWanted) return "stopped";
  console.error(`pgflow: ${error instanceof Error ? `${error.name}: ${error.message}` : error}`);
  return "undelivered";
}
