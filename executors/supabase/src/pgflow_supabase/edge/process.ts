/** A process that runs one function: started at its first request, retired at half of its time, killed at the end. */

export interface Limits {
  /** Seconds that a process may live. */
  wallClock: number;
  /** Seconds that a request may go unanswered. */
  idle: number;
  /** Seconds that a process may go on after it was told to end. */
  lastWords: number;
  memoryMb: number;
}

export interface Plan {
  name: string;
  folder: string;
  entry: string;
  config: string | null;
  environment: Record<string, string>;
  limits: Limits;
}

const BOOT_SECONDS = 60;

/** The function could not be started. */
export class BootError extends Error {}

export class FunctionProcess {
  readonly #child: Deno.ChildProcess;
  readonly #port: number;
  readonly #orders: WritableStreamDefaultWriter<Uint8Array>;
  readonly #timers: ReturnType<typeof setTimeout>[] = [];
  readonly booted: Promise<void>;
  readonly #plan: Plan;
  /** What this process was stopped for. */
  #stopped: string | null = null;
  #underWay = 0;
  #status: Deno.CommandStatus | null = null;

  constructor(plan: Plan) {
    this.#plan = plan;
    this.#port = freePort();
    this.#child = new Deno.Command(Deno.execPath(), {
      args: argumentsFor(plan),
      cwd: plan.folder,
      clearEnv: true,
      env: { ...plan.environment, DENO_SERVE_ADDRESS: `tcp:127.0.0.1:${this.#port}` },
      stdin: "piped",
    }).spawn();
    this.#orders = this.#child.stdin.getWriter();
    this.#child.status.then((status) => {
      this.#status = status;
      this.#timers.forEach(clearTimeout);
    });
    this.booted = this.#boot();
    // Deno compiles first what the platform has compiled long before.
    this.booted.then(() => {
      this.#at(plan.limits.wallClock / 2, () => this.retire());
      this.#at(plan.limits.wallClock, () => this.end("wall_clock"));
    }, () => this.end("termination"));
  }

  /** Whether new requests may come here. */
  get isOpen(): boolean {
    return this.#stopped === null && this.#status === null;
  }

  /** Pass a request on; answers as the platform does when the function does not. */
  async answer(request: Request, path: string): Promise<Response> {
    this.#underWay++;
    try {
      return await this.#pass(request, path);
    } finally {
      this.#underWay--;
      this.#retireIfIdle();
    }
  }

  async #pass(request: Request, path: string): Promise<Response> {
    const late = AbortSignal.timeout(this.#plan.limits.idle * 1000);
    const { method, headers, body } = request;
    try {
      return await fetch(`http://127.0.0.1:${this.#port}${path}`, {
        method,
        headers,
        body,
        redirect: "manual",
        signal: late,
      });
    } catch {
      if (late.aborted) return refusal(504, "IDLE_TIMEOUT", "the function did not answer in time");
      return await this.#died();
    }
  }

  /** Take no new requests, and end when nothing is under way. */
  retire(): void {
    this.#stopped ??= "retired";
    this.#retireIfIdle();
  }

  /** Not while a request is on its way there: the process could end before it arrives. */
  #retireIfIdle(): void {
    if (this.#stopped === "retired" && this.#underWay === 0) this.#order("retire");
  }

  /** Tell the function why it ends, then kill it; returns when it is gone. */
  async end(reason: string): Promise<void> {
    this.#stopped = reason;
    this.#order(`end ${reason}`);
    this.#at(this.#plan.limits.lastWords, () => {
      try {
        this.#child.kill("SIGKILL");
      } catch { /* it ended by itself */ }
    });
    await this.#child.status;
  }

  async #died(): Promise<Response> {
    const left = new Promise<null>((resolve) => this.#at(this.#plan.limits.lastWords, () => resolve(null)));
    const status = await Promise.race([this.#child.status, left]);
    if (this.#stopped === "wall_clock" || status?.signal) {
      return refusal(546, "WORKER_RESOURCE_LIMIT", "the function took more time or memory than it may");
    }
    return refusal(500, "WORKER_ERROR", "the function ended before it answered");
  }

  async #boot(): Promise<void> {
    for (const deadline = Date.now() + BOOT_SECONDS * 1000; Date.now() < deadline;) {
      if (this.#status !== null) throw new BootError(`it ended with code ${this.#status.code}`);
      try {
        (await Deno.connect({ hostname: "127.0.0.1", port: this.#port })).close();
        return;
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
    throw new BootError(`it served nothing within ${BOOT_SECONDS} s`);
  }

  #order(line: string): void {
    this.#orders.write(new TextEncoder().encode(`${line}\n`)).catch(() => {/* it has ended */});
  }

  #at(seconds: number, act: () => void): void {
    this.#timers.push(setTimeout(act, seconds * 1000));
  }
}

export function refusal(status: number, code: string, message: string): Response {
  return Response.json({ code, message }, { status, headers: { "sb-error-code": code } });
}

function argumentsFor(plan: Plan): string[] {
  const worker = new URL("./worker.ts", import.meta.url).href;
  const config = plan.config === null ? "--no-config" : `--config=${plan.config}`;
  const memory = `--v8-flags=--max-old-space-size=${plan.limits.memoryMb}`;
  const files = ["--allow-read", `--allow-write=${plan.environment.TMPDIR ?? "/tmp"}`];
  const rights = ["--no-prompt", "--allow-net", "--allow-env", "--allow-sys", ...files];
  return ["run", "--quiet", "--no-lock", "--no-check", memory, config, ...rights, worker, plan.entry];
}

function freePort(): number {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  return port;
}
