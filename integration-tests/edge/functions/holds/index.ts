import { serve } from "@pgflow/edge";

serve({
  holding: {
    hold: async ({ folder }: { folder: string }, task) => {
      if (task.attempt > 1) return folder;
      await Deno.writeTextFile(`${folder}/started`, "");
      await new Promise(() => {});
    },
  },
});
