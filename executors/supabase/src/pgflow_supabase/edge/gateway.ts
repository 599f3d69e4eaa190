/** Serves a folder of edge functions at /functions/v1/NAME, each in a process of its own, under limits. */

import { BootError, FunctionProcess, type Limits, type Plan, refusal } from "./process.ts";

interface Settings {
  folder: string;
  host: string;
  port: number;
  key: string | null;
  environment: Record<string, string>;
  limits: Limits;
}

const ROUTE = /^\/functions\/v1(\/([A-Za-z0-9_-]{1,64})(?:\/.*)?)$/;
const ENTRIES = ["index.ts", "index.js", "index.tsx"];
const CONFIGS = ["deno.json", "deno.jsonc"];

const settings: Settings = JSON.parse(Deno.env.get("PGFLOW_EDGE_SETTINGS")!);
const functions = new Map<string, { stamp: string; process: FunctionProcess }>();

const server = Deno.serve({
  hostname: settings.host,
  port: settings.port,
  onListen: ({ hostname, port }) => console.log(`serving ${settings.folder} at http://${hostname}:${port}`),
}, answer);
Deno.addSignalListener("SIGTERM", stop);
Deno.addSignalListener("SIGINT", stop);

async function answer(request: Request): Promise<Response> {
  const url = new URL(request.url);
  const route = ROUTE.exec(url.pathname);
  if (!route) return refusal(404, "NOT_FOUND", "functions are served at /functions/v1/NAME");
  if (!isAllowed(request.headers)) {
    return refusal(401, "UNAUTHORIZED", "the key in `apikey` is not the one served");
  }
  const [, path, name] = route;
  const plan = planFor(name!);
  if (plan === null) return refusal(404, "NOT_FOUND", `there is no function ${name}`);
  const process = processFor(plan);
  try {
    await process.booted;
  } catch (error) {
    if (error instanceof BootError) {
      return refusal(503, "BOOT_ERROR", `${name} did not start: ${error.message}`);
    }
    throw error;
  }
  return await process.answer(request, path + url.search);
}

function isAllowed(headers: Headers): boolean {
  if (settings.key === null) return true;
  const bearer = headers.get("authorization")?.replace(/^Bearer /, "");
  return headers.get("apikey") === settings.key || bearer === settings.key;
}

/** The running process of a function, or a new one where that is retired, dead, or of an older source. */
function processFor(plan: Plan): FunctionProcess {
  const stamp = newest(plan.folder);
  const known = functions.get(plan.name);
  if (known?.process.isOpen && known.stamp === stamp) return known.process;
  known?.process.retire();
  const process = new FunctionProcess(plan);
  functions.set(plan.name, { stamp, process });
  return process;
}

function planFor(name: string): Plan | null {
  const folder = `${settings.folder}/${name}`;
  const entry = ENTRIES.map((file) => `${folder}/${file}`).find(exists);
  if (name.startsWith("_") || entry === undefined) return null;
  const candidates = [folder, settings.folder].flatMap((where) => CONFIGS.map((file) => `${where}/${file}`));
  return {
    name,
    folder,
    entry: new URL(`file://${entry}`).href,
    config: candidates.find(exists) ?? null,
    environment: { ...settings.environment, SB_EXECUTION_ID: crypto.randomUUID() },
    limits: settings.limits,
  };
}

/** When something in a function's folder, or in what functions share, was last changed. */
function newest(folder: string): string {
  const shared = [...Deno.readDirSync(settings.folder)].filter(({ name }) => name.startsWith("_"));
  const folders = [folder, ...shared.map(({ name }) => `${settings.folder}/${name}`)];
  return String(Math.max(...folders.map(changedAt)));
}

function changedAt(path: string): number {
  const found = Deno.statSync(path);
  const inside = found.isDirectory ? [...Deno.readDirSync(path)] : [];
  return Math.max(found.mtime?.getTime() ?? 0, ...inside.map(({ name }) => changedAt(`${path}/${name}`)));
}

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

async function stop(): Promise<void> {
  await Promise.all([...functions.values()].map(({ process }) => process.end("termination")));
  await Promise.race([server.shutdown(), new Promise((resolve) => setTimeout(resolve, 1000))]);
  Deno.exit(0);
}
