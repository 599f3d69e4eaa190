import assert from "node:assert/strict";
import { test } from "node:test";
import { type ClientOptions, createClient, RequestRefused } from "../src/client.ts";
import { Engine } from "./support.ts";

const STARTED = [{ run_id: "r", status: "running", flow_version: 2, created: true }];

function make(engine: Engine, options: Partial<ClientOptions> = {}) {
  const url = "https://x.supabase.co/rest/v1";
  return createClient({
    url,
    key: "sb_publishable_x",
    accessToken: "a.b.c",
    fetch: engine.fetch,
    ...options,
  });
}

function progress(status: string, ended: number) {
  const step = { step_slug: "s", status, tasks_ended: ended, started_at: "2026-01-02T03:04:05.678+00:00" };
  return { run_id: "r", status, paused_at: null, steps: [step] };
}

test("a run is started as the user, under a key that makes it start once", async () => {
  const engine = new Engine((_, nth) => nth === 1 ? new TypeError("lost") : { body: STARTED });
  const started = await make(engine).startFlow("f", { n: 1 }, { tags: { of: "tests" } });
  assert.deepEqual(started, { runId: "r", status: "running", flowVersion: 2, created: true });
  const [first, second] = engine.calls;
  assert.equal(first!.url, "https://x.supabase.co/rest/v1/rpc/start_flow");
  assert.equal(first!.headers.get("content-profile"), "pgflow");
  assert.equal(first!.headers.get("apikey"), "sb_publishable_x");
  assert.equal(first!.headers.get("authorization"), "Bearer a.b.c");
  assert.deepEqual(first!.body, second!.body);
  const { idempotency_key, ...asked } = first!.body;
  assert.match(String(idempotency_key), /^[0-9a-f-]{36}$/);
  assert.deepEqual(asked, { flow_slug: "f", input: { n: 1 }, tags: { of: "tests" } });
});

test("each request asks for the token of that moment", async () => {
  const engine = new Engine(() => ({ body: STARTED }));
  const tokens = ["one", null];
  const client = make(engine, { accessToken: () => Promise.resolve(tokens.shift()) });
  for (const _ of [1, 2]) await client.startFlow("f", {}, { idempotencyKey: "k" });
  assert.deepEqual(engine.calls.map((call) => call.headers.get("authorization")), ["Bearer one", null]);
  assert.equal(engine.calls[0]!.body.idempotency_key, "k");
});

test("a refusal has the database's code, its words and its hint", async () => {
  const body = { code: "PF002", message: 'no flow "f"', hint: "open it" };
  const engine = new Engine(() => ({ status: 400, body }));
  await assert.rejects(
    make(engine).startFlow("f", {}),
    (error) =>
      error instanceof RequestRefused && error.code === "PF002" && error.message === 'no flow "f" (open it)',
  );
  const elsewhere = new Engine(() => ({ status: 404, body: "what?" }));
  await assert.rejects(make(elsewhere).getRun("r"), (error) => (error as RequestRefused).code === "HTTP 404");
});

test("a watch tells what has changed, through outages, until the run has ended", async () => {
  const answers = [
    { body: progress("running", 0) },
    { body: progress("running", 0) },
    { status: 502 },
    { body: progress("running", 1) },
    { body: progress("completed", 1) },
  ];
  const engine = new Engine((_, nth) => answers[nth - 1]);
  const seen = [];
  for await (const each of make(engine).watchRun("r", { longestPause: 0.01 })) seen.push(each);
  assert.deepEqual(seen.map((each) => [each.status, each.steps[0]!.tasksEnded]), [
    ["running", 0],
    ["running", 1],
    ["completed", 1],
  ]);
  assert.equal(seen[0]!.steps[0]!.startedAt!.toISOString(), "2026-01-02T03:04:05.678Z");
  assert.equal(engine.of("get_progress").length, 5);
});

test("a watch ends when its signal does, also in a pause, and when it is left", async () => {
  const engine = new Engine(() => ({ body: progress("running", 0) }));
  const stop = new AbortController();
  const watching = make(engine).watchRun("r", { signal: stop.signal, longestPause: 1000 });
  await watching.next();
  const next = watching.next();
  setTimeout(() => stop.abort(new Error("enough")), 10);
  await assert.rejects(next, /enough/);
  for await (const _ of make(engine).watchRun("r")) break;
  assert.equal((await watching.next()).done, true);
});
