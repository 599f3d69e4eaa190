-- PGFlow: workflows whose definition, queue and state live in PostgreSQL.
--
-- Three groups of tables:
--   definition  flows, steps, deps                      what to do; immutable once versioned
--   state       runs, run_steps, map_tasks              what has happened; every fact is stored once
--   hints       ready_tasks, parked_tasks, timers,
--               launches                                where to look next; never a second state
-- A hint is written in the transaction that makes it true and may outlive its truth: whoever follows one
-- re-checks the state row.  check_invariants() proves that no state that needs a hint lacks it.
--
-- A single step's task is folded into its run_steps row; map_tasks holds map items only.
-- The contract for readers is the views step_states, step_tasks, task_attempts and task_logs.
--
-- Lock order (a transaction may skip levels, never go back up):
--   1. advisory: migration, then definition(flow), then use(flow): shared by starts, exclusive to delete; maintenance by try only
--   2. advisory: run locks, all of a call in one statement, ascending by hash, before any row.
--      Exclusive by default; shared only for reports of map items that cannot empty a counter slot.
--      Never upgraded: a shared holder that needs the exclusive lock undoes its subtransaction and starts again.
--   3. rows of run_steps in key order, then map_tasks in key order, then map_counters in key order, then runs, then launches,
--      then executors.
--      Ended runs are pruned, deleted and reopened by whoever has their row in runs, before any other row.
--      New rows that others may be making too are made in key order: runs by idempotency key. Queues are made by try.
--   Claims, heartbeats and the timer sweep take no run lock that they would have to wait for: rows by
--   `skip locked`, run locks by try.  They wait for nobody, so they cannot be part of a deadlock.
create schema pgflow;
comment on schema pgflow is 'PGFlow: workflow definitions, queue and state, and the functions that move them.';

create schema pgflow_locks;
comment on schema pgflow_locks is 'Advisory locks of PGFlow, all transaction-level, in the two-integer form (class, hash).';
