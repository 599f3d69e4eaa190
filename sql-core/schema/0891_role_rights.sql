create function pgflow._role_rights() returns table (role_name text, verbs text[], tables text[])
language sql immutable
set search_path to pg_catalog, pg_temp
as $$
  with lists as (
    select
      array['schema_version', 'clock', 'readable_owner', 'live_status'] as common,
      array['flows', 'steps', 'deps'] as definitions,
      array['runs', 'run_steps', 'map_tasks', 'step_task_attempts', 'superseded_attempts', 'completed_task_logs', 'live_logs', 'live_task_logs', 'step_states',
        'step_tasks', 'task_attempts', 'task_logs'] as state,
      array['executors', 'queues', 'ready_tasks', 'parked_tasks', 'paused_runs', 'map_counters', 'timers', 'launches', 'sweep_marks', 'settings',
        'migrations', 'doctor_checks', 'worker_keys', 'open_flows'] as inner_tables,
      array['define_flow', 'delete_flow', 'flow', 'step', 'open_flow', 'close_flow'] as deploying,
      array['start_flow', 'run_flow', 'run_flows', 'start_step', 'cancel_run', 'retry_run', 'pause_run', 'resume_run', 'get_run', 'get_progress', 'list_runs'] as running,
      array['start_flow', 'get_run', 'get_progress', 'list_runs', 'cancel_run', 'retry_run'] as using_own,
      array['start_step_task', 'heartbeat_step_tasks', 'complete_step_task', 'fail_step_task', 'release_step_tasks', 'report_step_tasks',
        'claim_with_key', 'next_wake_at'] as working,
      array['claim_step_tasks', 'exchange_step_tasks', 'record_launches', 'due_launches', 'observe_launches', 'lane_state', 'maintain', 'postpone_lease_expiry',
        'pause_executor', 'resume_executor', 'set_retention', 'prune_runs'] as dispatching,
      array['get_run', 'get_progress', 'list_runs', 'check_invariants', 'backlog', 'sweep_lag', 'queue_waits', 'doctor', 'missing_indexes'] as reading,
      array['create_worker_key', 'revoke_worker_key'] as keeping_keys
  )
  select r.role_name, r.verbs, r.tables
  from lists l,
    lateral (values
      ('pgflow_deployer', l.common || l.deploying, l.definitions),
      ('pgflow_dispatcher', l.common || l.dispatching || l.working || l.reading, l.definitions || l.state || l.inner_tables),
      ('pgflow_worker', l.common || l.working, '{}'),
      ('pgflow_client', l.common || l.running, l.definitions || l.state),
      ('pgflow_user', l.common || l.using_own, array['runs']),
      ('pgflow_viewer', l.common || l.reading, l.definitions || l.state || l.inner_tables),
      ('pgflow_owner', l.common || l.deploying || l.running || l.working || l.dispatching || l.reading || l.keeping_keys,
        l.definitions || l.state || l.inner_tables)) r (role_name, verbs, tables)
$$;

comment on function pgflow._role_rights() is 'What each role may call and read: the one list of rights, applied by grant_roles.';
