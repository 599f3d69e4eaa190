/** A caller that waits a while: an attempt that ends meanwhile reports in the response, in place of a call. */

import { type Answer, type Reporter, type Verb, withOutput } from "./reporter.ts";

/** Seconds that a caller may ask to wait, at most. */
const LONGEST_WAIT = 60;
/** Bytes of an output that a response carries; the completion API takes larger ones, or says that it does not. */
const LARGEST_OUTPUT = 1_048_576;

/** Seconds that the caller waits for the result, by the header `Prefer: wait=20`; 0: it does not. */
export function secondsToWait(headers: Headers): number {
  const asked = /(?:^|[\s,;])wait=(\d{1,4})(?=$|[\s,;])/.exec(headers.get("prefer") ?? "");
  return asked ? Math.min(Number(asked[1]), LONGEST_WAIT) : 0;
}

/** Reports to whoever waits, and as ever once the wait is over. */
export class WaitedFor implements Reporter {
  readonly #reporter: Reporter;
  readonly #timer: ReturnType<typeof setTimeout>;
  #answer: ((report: string | null) => void) | null = null;
  /** The report as JSON text; null: the attempt goes on, or had nothing to report. */
  readonly report: Promise<string | null>;

  constructor(reporter: Reporter, seconds: number) {
    this.#reporter = reporter;
    this.report = new Promise((resolve) => this.#answer = resolve);
    this.#timer = setTimeout(() => this.end(), seconds * 1000);
  }

  /** Have nobody wait any longer. */
  end(report: string | null = null): void {
    clearTimeout(this.#timer);
    this.#answer?.(report);
    this.#answer = null;
  }

  async call(
    verb: Verb,
    fields: Record<string, unknown>,
    output?: string,
    seconds?: number,
  ): Promise<Answer> {
    const isReport = verb !== "start" && verb !== "heartbeat";
    const fits = output === undefined || new TextEncoder().encode(output).byteLength <= LARGEST_OUTPUT;
    if (this.#answer === null || !isReport || !fits) {
      return await this.#reporter.call(verb, fields, output, seconds);
    }
    this.end(withOutput({ outcome: verb, ...fields }, output));
    return { status: "answered" };
  }
}
