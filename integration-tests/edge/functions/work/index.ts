import { handle } from "@pgflow/edge";

interface Job {
  folder: string;
  hold: boolean;
  value: unknown;
}

/** The handler of the executor kit: marks its start, waits for the file `go` if it is to hold, marks its end. */
async function work({ job }: { job: Job }, task: { runId: string; attempt: number }): Promise<unknown> {
  const mark = `${job.folder}/${task.runId}.${task.attempt}.${Deno.pid}.${crypto.randomUUID()}`;
  await Deno.writeTextFile(`${mark}.started`, "");
  while (job.hold && exists(job.folder) && !exists(`${job.folder}/go`)) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  await Deno.writeTextFile(`${mark}.done`, "");
  return job.value;
}

function exists(path: string): boolean {
  try {
    return Deno.statSync(path) !== null;
  } catch {
    return false;
  }
}

// Every check has a flow of its own.
Deno.serve(async (request) => {
  const { flow_slug } = await request.clone().json();
  return await handle(request, { [flow_slug]: { work } });
});
