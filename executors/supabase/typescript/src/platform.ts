/** What Supabase's runtime, plain Deno and Node give under different names, or not at all. */

interface Platform {
  Deno?: {
    env: { get(name: string): string | undefined };
    serve(handler: (request: Request) => Promise<Response>): unknown;
  };
  EdgeRuntime?: { waitUntil(work: Promise<unknown>): void };
  process?: { env: Record<string, string | undefined> };
}

const platform = globalThis as unknown as Platform;

/** An environment variable, or undefined. */
export function variable(name: string): string | undefined {
  return platform.Deno ? platform.Deno.env.get(name) : platform.process?.env[name];
}

/** Let work go on after the response; where nothing ends it, it goes on by itself. */
export function waitUntil(work: Promise<unknown>): void {
  platform.EdgeRuntime?.waitUntil(work);
}

/** Serve requests as `Deno.serve` does. */
export function listen(handler: (request: Request) => Promise<Response>): void {
  if (!platform.Deno) {
    throw new Error("serve() needs Deno; in Node, call handle(request, handlers) from your own server");
  }
  platform.Deno.serve(handler);
}

const leaving = new Set<(reason: string) => void>();

/** Call `listener` when the runtime is about to end this worker; returns how to take it off. */
export function onLeave(listener: (reason: string) => void): () => void {
  if (leaving.size === 0) globalThis.addEventListener?.("beforeunload", leave);
  leaving.add(listener);
  return () => {
    leaving.delete(listener);
    if (leaving.size === 0) globalThis.removeEventListener?.("beforeunload", leave);
  };
}

function leave(event: Event): void {
  const reason = String((event as CustomEvent<{ reason?: string } | undefined>).detail?.reason ?? "unknown");
  for (const listener of leaving) listener(reason);
}
