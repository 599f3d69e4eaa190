/** The types of handlers: flows by slug, their steps by slug, a function for each. */

import type { Progress } from "./attempt.ts";

/** What a handler may know of the task it runs. */
export interface Task {
  readonly runId: string;
  readonly flow: string;
  readonly flowVersion: number;
  readonly step: string;
  /** Which item of a map; 0 for a single step. */
  readonly index: number;
  readonly attempt: number;
  readonly maxAttempts: number;
  /** When the attempt is given up. */
  readonly deadline: Date;
  /** Aborted when the run was cancelled, the time is up, or somebody else has the task: stop. */
  readonly signal: AbortSignal;
  /** Say how far the work has come; shown with the run. */
  progress(progress: Progress): void;
}

/** Runs one step.  `input` has a key for each parameter of the Python handler that declares the step. */
// deno-lint-ignore no-explicit-any
export type Handler<Input = any, Output = unknown> = (input: Input, task: Task) => Output | Promise<Output>;

/** The handlers of a function: `{ flow_slug: { step_slug: handler } }`. */
export type Handlers = Record<string, Record<string, Handler>>;

/** The types of a flow's steps, to check handlers against. */
export type StepTypes = Record<string, { input: unknown; output: unknown }>;

/** Handlers for some or all steps of a flow whose types are known. */
export type HandlersOf<Steps extends StepTypes> = {
  [Slug in keyof Steps]?: Handler<Steps[Slug]["input"], Steps[Slug]["output"]>;
};
