import { serve } from "@pgflow/edge";

serve({
  tally: {
    spin: async ({ words }: { words: string[] }, task) => {
      await Promise.resolve();
      while (task.attempt === 1);
      return [words.length];
    },
  },
});
