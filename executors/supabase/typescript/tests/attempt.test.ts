import assert from "node:assert/strict";
import { test } from "node:test";
import { runAttempt } from "../src/attempt.ts";
import { type Handler, NonRetryable, RetryAfter } from "../src/mod.ts";
import { reporterFor } from "../src/reporter.ts";
import { Engine, envelope } from "./support.ts";

const POSTGREST = { kind: "postgrest", url: "https://x.supabase.co/rest/v1/", apikey: "a.b.c" } as const;

function run(engine: Engine, handler: Handler, changes = {}) {
  const told = envelope(changes);
  return runAttempt(told, handler, "instance", reporterFor(told, engine.fetch));
}

/** A handler that only ends when it is told to. */
const forever: Handler = (_, task) =>
  new Promise((_, reject) => task.signal.addEventListener("abort", () => reject(new Error("told to stop"))));

function leave(reason: string) {
  globalThis.dispatchEvent(Object.assign(new Event("beforeunload"), { detail: { reason } }));
}

test("the handler gets its parameters by name", async () => {
  const input = { run: 1, item: 2, before: 3 };
  const engine = new Engine((call) =>
    call.verb === "start" ? { body: { status: "started", input } } : undefined
  );
  const params = { flow: "run", each: "item", fixed: { const: 4 }, skipped: "gone" };
  assert.equal(await run(engine, (given) => given, { params }), "completed");
  assert.deepEqual(engine.of("complete")[0]!.body.output, { flow: 1, each: 2, fixed: 4 });
});

test("nothing returned is null", async () => {
  const engine = new Engine();
  assert.equal(await run(engine, () => {}), "completed");
  assert.equal(engine.of("complete")[0]!.body.output, null);
});

test("whoever comes second to the handshake does not run", async () => {
  const engine = new Engine(() => ({ status: 409, body: { code: "CONFLICT", message: "taken" } }));
  let ran = false;
  assert.equal(await run(engine, () => (ran = true)), "stopped");
  assert.equal(ran, false);
  assert.equal(engine.calls.length, 1);
});

test("a timeout of months does not end the attempt at once", async () => {
  const engine = new Engine();
  const soon = () => new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(await run(engine, soon, { timeout_seconds: 5_000_000 }), "completed");
});

test("an error is reported with its type and trace", async () => {
  const engine = new Engine();
  assert.equal(await run(engine, () => Promise.reject(new RangeError("too \0 far"))), "failed");
  const { error, retryable } = engine.of("fail")[0]!.body as {
    error: Record<string, string>;
    retryable: boolean;
  };
  assert.deepEqual([error.code, error.type, retryable], ["HANDLER_ERROR", "RangeError", true]);
  assert.equal(error.message, "too \uFFFD far");
  assert.match(error.traceback!, /attempt\.test/);
});

test("errors thrown on purpose say whether and when to try again", async () => {
  const engine = new Engine();
  await run(engine, () => Promise.reject(new NonRetryable("never")));
  await run(engine, () => Promise.reject(new RetryAfter(7)));
  const [never, later] = engine.of("fail").map((call) => call.body);
  assert.equal(never!.retryable, false);
  assert.deepEqual([later!.retryable, later!.retry_after_seconds], [true, 7]);
});

for (const [what, output] of Object.entries({ "a BigInt": 1n, "a function": () => 1 })) {
  test(`${what} is no output`, async () => {
    const engine = new Engine();
    assert.equal(await run(engine, () => output), "failed");
    assert.equal((engine.of("fail")[0]!.body.error as { code: string }).code, "OUTPUT_INVALID");
    assert.equal(engine.of("fail")[0]!.body.retryable, false);
  });
}

test("an output that is too large fails its own task", async () => {
  const engine = new Engine((call) =>
    call.verb === "complete" ? { status: 413, body: { code: "TOO_LARGE", message: "big" } } : undefined
  );
  assert.equal(await run(engine, () => 1), "failed");
  assert.equal((engine.of("fail")[0]!.body.error as { code: string }).code, "OUTPUT_TOO_LARGE");
});

test("calls are made again until they are answered", async () => {
  const engine = new Engine((_, nth) =>
    nth === 1 ? new TypeError("refused") : nth === 2 ? { status: 503, body: {} } : undefined
  );
  assert.equal(await run(engine, () => 1), "completed");
  assert.deepEqual([engine.of("start").length, engine.of("complete").length], [3, 3]);
});

test("a report that came too late is the end of it", async () => {
  const engine = new Engine((call) =>
    call.verb === "complete" ? { status: 409, body: { code: "STALE", message: "late" } } : undefined
  );
  assert.equal(await run(engine, () => 1), "stopped");
  assert.equal(engine.of("complete").length, 1);
});

test("what takes too long is stopped and failed", async () => {
  const engine = new Engine();
  assert.equal(await run(engine, forever, { timeout_seconds: 0.05 }), "failed");
  assert.equal((engine.of("fail")[0]!.body.error as { code: string }).code, "TIMEOUT");
});

test("heartbeats tell of progress, and learn of a cancel", async () => {
  const engine = new Engine((call, nth) =>
    call.verb === "heartbeat" && nth === 2 ? { body: { status: "cancel" } } : undefined
  );
  let stopped = false;
  const handler: Handler = async (input, task) => {
    task.progress({ done: 1, total: 4 });
    await Promise.resolve(forever(input, task)).catch(() => (stopped = true));
  };
  assert.equal(await run(engine, handler, { heartbeat_timeout_seconds: 0.06 }), "stopped");
  assert.deepEqual(engine.of("heartbeat")[0]!.body.progress, { done: 1, total: 4 });
  assert.deepEqual([...new Set(engine.calls.map((call) => call.verb))], ["start", "heartbeat"]);
  assert.equal(stopped, true);
});

for (const [reason, verb] of [["termination", "release"], ["wall_clock", "fail"]]) {
  const skip = "dispatchEvent" in globalThis ? false : "Node has no beforeunload";
  test(`a worker that ends by ${reason} reports ${verb}`, { skip }, async () => {
    const engine = new Engine();
    const running = run(engine, (input, task) => {
      setTimeout(() => leave(reason!), 1);
      return forever(input, task);
    });
    assert.equal(await running, "failed");
    assert.match(JSON.stringify(engine.of(verb!)[0]!.body.error), new RegExp(reason!));
  });
}

test("through PostgREST the verbs are procedures of the schema pgflow", async () => {
  const engine = new Engine((call) =>
    ({
      start_step_task: { body: { status: "started", input: { run: 5 } } },
      report_step_tasks: { body: { ordinal: 1, status: "completed" } },
    })[call.verb]
  );
  assert.equal(await run(engine, ({ run }) => run + 1, { report: POSTGREST }), "completed");
  const [start, report] = engine.calls;
  assert.equal(start!.url, "https://x.supabase.co/rest/v1/rpc/start_step_task");
  assert.equal(start!.headers.get("content-profile"), "pgflow");
  assert.equal(start!.headers.get("authorization"), "Bearer a.b.c");
  assert.equal(start!.body.attempt_token, envelope().attempt_token);
  const [sent] = report!.body.reports as Record<string, unknown>[];
  assert.deepEqual([sent!.outcome, sent!.output], ["complete", 6]);
});

test("through PostgREST a stale report is the end of it, and a busy run is tried again", async () => {
  const started = { body: { status: "started", input: {} } };
  const engine = new Engine((call, nth) => {
    if (call.verb === "start_step_task") return started;
    if (nth === 1) return { status: 400, body: { code: "55P03", message: "lock timeout" } };
    return { body: { ordinal: 1, status: "stale" } };
  });
  assert.equal(await run(engine, () => 1, { report: POSTGREST }), "stopped");
  assert.equal(engine.of("report_step_tasks").length, 2);
});

test("a new key is no bearer", async () => {
  const engine = new Engine(() => ({ status: 400, body: { code: "PF003", message: "gone" } }));
  assert.equal(
    await run(engine, () => 1, { report: { ...POSTGREST, apikey: "sb_publishable_x" } }),
    "stopped",
  );
  assert.equal(engine.calls[0]!.headers.get("authorization"), null);
  assert.equal(engine.calls[0]!.headers.get("apikey"), "sb_publishable_x");
});
