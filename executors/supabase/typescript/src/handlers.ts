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

/** Handlers whose types nobody knows: `{ flow_slug: { step_slug: handler } }`. */
export type Handlers = Record<string, Record<string, Handler>>;

/** The types of a flow's steps. */
export type StepTypes = Record<string, { input: unknown; output: unknown }>;

/** The types of flows by slug: `Flows` of a file that `pgflow typegen` wrote. */
export type FlowTypes = Record<string, { input: unknown; output: unknown; steps: StepTypes }>;

/** Flows whose types are not known: whatever is given is taken. */
// deno-lint-ignore no-explicit-any
export type AnyFlows = Record<
  string,
  { input: any; output: any; steps: Record<string, { input: any; output: any }> }
>;

/** A step whose output is null may return nothing. */
type Returned<Output> = null extends Output ? Output | void : Output;

/** Handlers for some or all steps of a flow. */
export type HandlersOf<Steps extends StepTypes> = {
  [Slug in keyof Steps]?: Handler<Steps[Slug]["input"], Returned<Steps[Slug]["output"]>>;
};

/** Handlers for some or all steps of some or all flows. */
export type FlowHandlers<Flows extends FlowTypes> = {
  [Slug in keyof Flows]?: HandlersOf<Flows[Slug]["steps"]>;
};

/** The handler of a step, if there is one. */
export function handlerOf(handlers: object, flow: string, step: string): Handler | undefined {
  const known = handlers as Handlers;
  const steps = Object.hasOwn(known, flow) ? known[flow] : undefined;
  return steps && Object.hasOwn(steps, step) ? steps[step] : undefined;
}
