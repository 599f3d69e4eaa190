import { serve } from "@pgflow/edge";

serve({
  holding: {
    hold: async ({ folder }: { folder: string }, task) => {
      if (task.attempt > 1) return folder;
      await Deno.writeTextFile(`${folder}/started`, "");
      await new Promise(() => {});
    },
  },
  telling: {
    tell: async ({ folder }: { folder: string }, task) => {
      task.progress({ done: 1, total: 2, message: "half" });
      while (!task.signal.aborted && !exists(`${folder}/go`)) {
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      return folder;
    },
  },
});

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
