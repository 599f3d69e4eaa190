import assert from "node:assert/strict";
import { test } from "node:test";
import { createWorker, type Handler, type WorkerOptions, WorkerRefused } from "../src/worker.ts";
import { Engine, envelope, signalled } from "./support.ts";

const silent = () => {};

function claimed(changes = {}) {
  const { report: _, launch_deadline: lease_expires_at, ...task } = envelope(changes);
  return { ...task, lease_expires_at, input: { run: { n: 20 } } };
}

/** An engine that hands out these tasks, one a claim, and then has a claim wait as long as the worker does. */
class Queue extends Engine {
  constructor(tasks: unknown[], script: ConstructorParameters<typeof Engine>[0] = () => undefined) {
    super((call, nth) => {
      const scripted = script(call, nth);
      if (scripted || call.verb !== "claim") return scripted;
      return tasks.length > 0 ? { body: { tasks: [tasks.shift()] } } : "wait";
    });
  }
}

function make(engine: Engine, handler: Handler, options: Partial<WorkerOptions> = {}) {
  return createWorker({
    url: "https://flows.example.com",
    key: "a key",
    executor: "browser",
    handlers: { thumbnails: { resize: handler } },
    fetch: engine.fetch,
    onProblem: silent,
    ...options,
  });
}

const forever: Handler = (_, task) =>
  new Promise((_, reject) => task.signal.addEventListener("abort", () => reject(new Error("told to stop"))));

test("a worker claims, runs and reports, and ends when it is stopped", async () => {
  const engine = new Queue([claimed()]);
  const worker = make(engine, ({ run }) => 2 * run.n, { workerId: "w", leaseSeconds: 60, concurrency: 3 });
  const running = worker.run();
  assert.equal((await engine.until("complete")).body.output, 40);
  await worker.stop();
  await running;
  const [claim] = engine.of("claim");
  assert.equal(claim!.url, "https://flows.example.com/v1/tasks/claim");
  assert.equal(claim!.headers.get("authorization"), "Bearer a key");
  assert.deepEqual(claim!.body, {
    executor: "browser",
    worker_id: "w",
    max_tasks: 3,
    wait_seconds: 30,
    lease_seconds: 60,
  });
  assert.equal(engine.of("start").length, 0);
});

test("handlers get their parameters by name, as edge functions do", async () => {
  const engine = new Queue([claimed({ params: { image: "run", size: { const: 3 } } })]);
  const worker = make(engine, (input) => input);
  void worker.run();
  assert.deepEqual((await engine.until("complete")).body.output, { image: { n: 20 }, size: 3 });
  await worker.stop();
});

test("never more tasks run than there is room for", async () => {
  const engine = new Queue([claimed(), claimed(), claimed()]);
  const worker = make(engine, forever, { concurrency: 2 });
  void worker.run();
  await engine.until("claim", 2);
  await worker.stop({ graceSeconds: 0.05 });
  assert.deepEqual(engine.of("claim").map((call) => call.body.max_tasks), [2, 1]);
  assert.equal(engine.of("release").length, 2);
});

test("a worker that stops lets tasks end in time, and hands back the others at once", async () => {
  for (const [graceSeconds, verb] of [[20, "complete"], [0, "release"]] as const) {
    const engine = new Queue([claimed()]);
    const begun = signalled();
    const worker = make(engine, async () => {
      begun.resolve();
      await new Promise((resolve) => setTimeout(resolve, 50));
    });
    const running = worker.run();
    await begun.promise;
    await worker.stop({ graceSeconds });
    await running;
    assert.equal(engine.of(verb).length, 1);
  }
});

test("a worker that was stopped before it ran claims nothing", async () => {
  const engine = new Queue([]);
  const worker = make(engine, forever);
  await worker.stop();
  await worker.run();
  assert.equal(engine.calls.length, 0);
});

test("the API may be away, or busy: the worker says so once and tries on", async () => {
  const problems: string[] = [];
  const answers = [new TypeError("failed", { cause: new Error("refused") }), { status: 503 }, {
    status: 429,
    body: {},
  }, {
    status: 200,
    body: "?",
  }];
  const engine = new Queue(
    [claimed()],
    (call, nth) => call.verb === "claim" && nth < 4 ? answers[nth - 1] : undefined,
  );
  const worker = make(engine, () => 1, { onProblem: (error) => problems.push(error.message) });
  void worker.run();
  await engine.until("complete");
  await worker.stop();
  assert.deepEqual(problems, ["no answer: failed: refused"]);
});

for (const [status, code] of [[401, "KEY_REFUSED"], [403, "KEY_SCOPE"], [404, ""]] as const) {
  test(`a claim that is answered with ${status} ends the worker`, async () => {
    const body = code ? { code, message: "no" } : "no";
    const engine = new Queue([], () => ({ status, body }));
    await assert.rejects(
      make(engine, forever).run(),
      (error) => error instanceof WorkerRefused && error.code === code,
    );
  });
}

test("a task without a handler rests until another worker may have come", async () => {
  const engine = new Queue([claimed({ step_slug: "toString" })]);
  const worker = make(engine, forever);
  void worker.run();
  const { body } = await engine.until("release");
  assert.equal((body.error as { code: string }).code, "HANDLER_MISSING");
  assert.equal(body.retry_after_seconds, 30);
  await worker.stop();
});

test("heartbeats keep within the lease, tell of progress, and learn of a cancel", async () => {
  const engine = new Queue(
    [claimed()],
    (call) => call.verb === "heartbeat" ? { body: { status: "cancel" } } : undefined,
  );
  const ended = signalled();
  const worker = make(engine, async (input, task) => {
    task.progress({ done: 1 });
    await Promise.resolve(forever(input, task)).catch(() => ended.resolve());
  }, { leaseSeconds: 0.06 });
  void worker.run();
  await ended.promise;
  await worker.stop();
  assert.deepEqual(engine.of("heartbeat")[0]!.body.progress, { done: 1 });
  assert.deepEqual([engine.of("complete").length, engine.of("fail").length], [0, 0]);
});

test("a page that goes away hands its tasks back", { skip: !("dispatchEvent" in globalThis) }, async () => {
  const engine = new Queue([claimed()]);
  const begun = signalled();
  const running = make(engine, (input, task) => (begun.resolve(), forever(input, task))).run();
  await begun.promise;
  globalThis.dispatchEvent(new Event("pagehide"));
  await running;
  assert.equal(engine.of("release").length, 1);
});

test("a worker for no task at a time is a mistake", () => {
  assert.throws(() => make(new Engine(), forever, { concurrency: 0 }), /concurrency is 0/);
});
