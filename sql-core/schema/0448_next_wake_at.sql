create function pgflow.next_wake_at(executors text[]) returns timestamptz
language plpgsql stable security definer
set search_path to pg_catalog, pg_temp
set enable_bitmapscan to off
set enable_seqscan to off
as $$
begin
  return pgflow._wake_at(next_wake_at.executors, '0');
end
$$;

comment on function pgflow.next_wake_at(text[]) is
  'When a claim for one of these executors is next worth it: now if tasks are ready, else when the next timer is due; null if none is set.';
