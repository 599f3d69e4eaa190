import { NonRetryable, serve } from "@pgflow/edge";

serve({
  tally: {
    split: ({ text }: { text: string }) => text.split(" "),
    measure: ({ word }: { word: string }, task) => {
      // Every fifth item fails at first: the engine tries it again.
      if (task.index % 5 === 0 && task.attempt === 1) throw new Error(`not yet: ${word}`);
      return word.length;
    },
    total: (sizes: Record<string, number[]>) =>
      Object.values(sizes).flat().reduce((sum, size) => sum + size, 0),
  },
  lengths: {
    split: ({ text }: { text: string }) => text.split(" "),
    measure: ({ word }: { word: string }, task) => {
      if (task.attempt === 1) throw new Error(`not yet: ${word}`);
      return word.length;
    },
  },
  refusing: {
    refuse: () => {
      throw new NonRetryable("never");
    },
  },
});
