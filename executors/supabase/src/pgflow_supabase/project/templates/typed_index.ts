// The steps of the flow "FLOW" that run here. A handler gets one object with a key for each parameter of
// the Python function of its step; see flows/FLOW.py, from which its types come. After a change there:
//   pgflow typegen --lang typescript -o supabase/functions/_shared/flows.ts
import { serve } from "../_shared/pgflow/mod.ts";
import type { Flows } from "../_shared/flows.ts";

serve<Flows>({
  FLOW: {
    greet: ({ name }) => `Hello, ${name}!`,
    shout: ({ greeting }) => greeting.toUpperCase(),
  },
});
