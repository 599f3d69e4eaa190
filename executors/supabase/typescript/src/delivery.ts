/** The same call until it is answered or time is up, with pauses that grow and chance in them. */

import { type Answer, type Reporter, Unavailable, type Verb } from "./reporter.ts";

const FIRST_PAUSE = 0.1;
const LONGEST_PAUSE = 5;
const LONGEST_CALL = 30;

/** Time was up before anybody answered. */
export class Undelivered extends Error {
  override name = "Undelivered";
}

export interface Message {
  verb: Verb;
  fields: Record<string, unknown>;
  /** JSON text, for `complete`. */
  output?: string;
}

/** Deliver until the time `until` (of Date.now); at least once. */
export async function deliver(reporter: Reporter, message: Message, until: number): Promise<Answer> {
  for (let longest = FIRST_PAUSE;; longest = Math.min(LONGEST_PAUSE, 2 * longest)) {
    const seconds = Math.min(LONGEST_CALL, Math.max(1, (until - Date.now()) / 1000));
    try {
      return await reporter.call(message.verb, message.fields, message.output, seconds);
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error;
      // Full jitter: tasks that lost the same server must not come back together.
      const pause = 1000 * Math.max(error.retryAfter, Math.random() * longest);
      if (Date.now() + pause >= until) throw new Undelivered(error.message);
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  }
}
