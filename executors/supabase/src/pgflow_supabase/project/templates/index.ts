// The steps of the flow "FLOW" that run here. A handler gets one object with a key for each parameter of
// the Python function of its step; see flows/FLOW.py.
import { serve } from "../_shared/pgflow/mod.ts";

serve({
  FLOW: {
    greet: ({ name }: { name: string }) => `Hello, ${name}!`,
    shout: ({ greeting }: { greeting: string }) => greeting.toUpperCase(),
  },
});
