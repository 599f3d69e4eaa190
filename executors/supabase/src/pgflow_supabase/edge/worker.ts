/**
 * Runs one function as Supabase's runtime does: with EdgeRuntime.waitUntil, and beforeunload before its end.
 * The gateway speaks to it by lines on its standard input; when that closes the gateway is gone, and so is this.
 */

type Handler = (request: Request) => Response | Promise<Response>;

const [entry] = Deno.args;
const pending = new Set<Promise<unknown>>();
let requests = 0;
let served = false;
let retired = false;

Object.assign(globalThis, {
  EdgeRuntime: {
    waitUntil<T>(work: Promise<T>): Promise<T> {
      const settled = work.catch((error) => console.error(error)).finally(() => {
        pending.delete(settled);
        leaveIfIdle();
      });
      pending.add(settled);
      return work;
    },
  },
});

const listen = Deno.serve;
// deno-lint-ignore no-explicit-any
Deno.serve = ((...args: any[]) => {
  const handler: Handler = args.find((each) => typeof each === "function") ?? args[0].handler;
  served = true;
  return listen({ onListen: () => {} }, async (request) => {
    requests++;
    try {
      return await handler(request);
    } finally {
      requests--;
      // After the answer has left.
      setTimeout(leaveIfIdle, 50);
    }
  });
}) as typeof Deno.serve;

async function obey(): Promise<void> {
  for await (const lines of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
    for (const line of lines.trim().split("\n")) {
      const [order, reason] = line.split(" ");
      if (order === "end") await leave(reason!);
      retired = true;
      leaveIfIdle();
    }
  }
  Deno.exit(0);
}

function leaveIfIdle(): void {
  if (retired && requests === 0 && pending.size === 0) leave("early_drop");
}

/** The gateway kills whoever takes long over this. */
async function leave(reason: string): Promise<never> {
  globalThis.dispatchEvent(new CustomEvent("beforeunload", { detail: { reason } }));
  await Promise.allSettled(pending);
  Deno.exit(0);
}

obey();
const module = await import(entry!);
if (!served && typeof module.default?.fetch === "function") Deno.serve(module.default.fetch);
