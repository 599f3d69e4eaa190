import assert from "node:assert/strict";
import { test } from "node:test";
import { sign, SignatureInvalid, verify } from "../src/signature.ts";

const body = new TextEncoder().encode('{"v": 1}');
const request = { method: "POST", path: "/images", body, attempt: "pgf-1" };
const NOW = 1_800_000_000;
// The Python tests hold the executor to the same value.
const GOLDEN = "v1,t=1800000000,9e142d8d5d406998e8555a4ec18434f97af5e9032cb6f3576de76a5909dc5c61";

function refused(code: string) {
  return (error: unknown) => error instanceof SignatureInvalid && error.code === code;
}

test("what was signed is verified, under any of the secrets", async () => {
  const header = await sign("new", NOW, request);
  await verify(["old", "new"], header, request, NOW + 299);
});

test("the signature is the one that the executor makes", async () => {
  assert.equal(await sign("golden secret", NOW, request), GOLDEN);
});

test("a gateway may take the prefix of the path off", async () => {
  const header = await sign("s", NOW, { ...request, path: "/functions/v1/images" });
  await verify(["s"], header, request, NOW);
});

for (
  const [what, change] of Object.entries({
    body: { body: new TextEncoder().encode('{"v": 2}') },
    path: { path: "/payments" },
    method: { method: "PUT" },
    attempt: { attempt: "pgf-2" },
  })
) {
  test(`another ${what} is refused`, async () => {
    const header = await sign("s", NOW, request);
    await assert.rejects(verify(["s"], header, { ...request, ...change }, NOW), refused("SIGNATURE_WRONG"));
  });
}

test("another secret is refused", async () => {
  await assert.rejects(
    verify(["t"], await sign("s", NOW, request), request, NOW),
    refused("SIGNATURE_WRONG"),
  );
});

test("a signature is worth nothing five minutes away", async () => {
  const header = await sign("s", NOW, request);
  for (const now of [NOW + 301, NOW - 301]) {
    await assert.rejects(verify(["s"], header, request, now), refused("SIGNATURE_EXPIRED"));
  }
});

for (const header of [null, "", "v2,t=1,00", "v1,t=x,00", `v1,t=${NOW},zz`]) {
  test(`a header ${header} is no signature`, async () => {
    await assert.rejects(verify(["s"], header, request, NOW), refused("SIGNATURE_MISSING"));
  });
}
