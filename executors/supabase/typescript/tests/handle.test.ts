import assert from "node:assert/strict";
import { test } from "node:test";
import { handle } from "../src/mod.ts";
import { Engine, envelope, request, SECRET } from "./support.ts";

const handlers = { thumbnails: { resize: ({ run }: { run: { n: number } }) => 2 * run.n } };

async function answer(asked: Request, options = {}): Promise<[number, Record<string, string>]> {
  const response = await handle(asked, handlers, { signingSecret: SECRET, ...options });
  return [response.status, await response.json()];
}

test("an attempt is taken at once and runs after the answer", async () => {
  const engine = new Engine();
  const [status, body] = await answer(await request(JSON.stringify(envelope())), { fetch: engine.fetch });
  assert.equal(status, 202);
  assert.equal(body.accepted, "pgf-1");
  const completed = await engine.until("complete");
  assert.equal(completed.body.output, 40);
  assert.equal(completed.headers.get("authorization"), `Bearer ${envelope().attempt_token}`);
  assert.equal(engine.of("start")[0]!.body.instance_id, body.instance);
});

test("two invocations are two instances", async () => {
  const engine = new Engine();
  const instances = [];
  for (let i = 0; i < 2; i++) {
    const asked = await request(JSON.stringify(envelope()));
    instances.push((await answer(asked, { fetch: engine.fetch }))[1].instance);
  }
  assert.notEqual(instances[0], instances[1]);
  await engine.until("complete", 2);
});

const spoilt: [string, () => Promise<Request> | Request, number, string][] = [
  ["GET", () => new Request("https://x.supabase.co/images"), 405, "METHOD_NOT_ALLOWED"],
  ["no signature", () => request("{}", { "x-pgflow-signature": "" }), 401, "SIGNATURE_MISSING"],
  ["another attempt", () => request("{}", { "x-pgflow-attempt": "pgf-2" }), 401, "SIGNATURE_WRONG"],
  ["no JSON", () => request("{"), 422, "ENVELOPE_INVALID"],
  ["another version", () => request('{"v": 2}'), 422, "ENVELOPE_INVALID"],
  ["a missing key", () => request('{"v": 1}'), 422, "ENVELOPE_INVALID"],
  ["a large body", () => request(" ".repeat(1_048_577)), 413, "BODY_TOO_LARGE"],
  [
    "a postgres target",
    () => request(JSON.stringify({ ...envelope(), report: { kind: "postgres" } })),
    422,
    "ENVELOPE_INVALID",
  ],
  ["another flow", () => request(JSON.stringify(envelope({ flow_slug: "f" }))), 422, "HANDLER_MISSING"],
  [
    "a step named like a member of Object",
    () => request(JSON.stringify(envelope({ step_slug: "toString" }))),
    422,
    "HANDLER_MISSING",
  ],
];

for (const [what, make, status, code] of spoilt) {
  test(`${what} is answered with ${status} ${code}`, async () => {
    const [got, body] = await answer(await make());
    assert.deepEqual([got, body.code], [status, code]);
  });
}

test("without a secret nothing runs", async () => {
  const [status, body] = await answer(await request(JSON.stringify(envelope())), { signingSecret: " , " });
  assert.deepEqual([status, body.code], [401, "SECRET_MISSING"]);
});

/** Post an attempt and wait for the answer as the executor does. */
async function waitFor(engine: Engine, handler: () => unknown, seconds = 20): Promise<[number, unknown]> {
  const asked = await request(JSON.stringify(envelope()), { prefer: `wait=${seconds}` });
  const options = { signingSecret: SECRET, fetch: engine.fetch };
  const response = await handle(asked, { thumbnails: { resize: handler } }, options);
  const { accepted, instance, report } = await response.json();
  assert.deepEqual([accepted, typeof instance], ["pgf-1", "string"]);
  return [response.status, report];
}

test("a result that is waited for comes with the answer, and is not reported", async () => {
  const engine = new Engine();
  const answered = await waitFor(engine, () => ({ n: 40 }));
  assert.deepEqual(answered, [200, { outcome: "complete", output: { n: 40 } }]);
  assert.deepEqual(engine.calls.map((call) => call.verb), ["start"]);
});

test("a failure that is waited for comes with the answer", async () => {
  const [status, report] = await waitFor(new Engine(), () => {
    throw new Error("no");
  });
  const { outcome, retryable, error } = report as Record<string, Record<string, unknown>>;
  assert.deepEqual([status, outcome, retryable, error!.code], [200, "fail", true, "HANDLER_ERROR"]);
});

test("what takes longer than the caller waits goes on, and reports as ever", async () => {
  const engine = new Engine();
  let release = (_: number) => {};
  const slow = new Promise<number>((resolve) => release = resolve);
  assert.deepEqual(await waitFor(engine, () => slow, 1), [202, undefined]);
  release(40);
  assert.equal((await engine.until("complete")).body.output, 40);
});

test("a result too large for an answer is reported", async () => {
  const engine = new Engine();
  assert.deepEqual(await waitFor(engine, () => "x".repeat(1_048_577)), [202, undefined]);
  await engine.until("complete");
});

test("an attempt that another instance has is answered, and nothing runs", async () => {
  const engine = new Engine((call) => call.verb === "start" ? { status: 409 } : undefined);
  let runs = 0;
  assert.deepEqual(await waitFor(engine, () => runs++), [202, undefined]);
  assert.equal(runs, 0);
});
