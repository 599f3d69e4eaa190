create function pgflow._next_timer(executors text[]) returns timestamptz
language plpgsql stable
set search_path to pg_catalog, pg_temp
as $$
begin
  return (
    select t.due_at from pgflow.timers t
    where t.due_at >= (select least(m.timer_low, pgflow.clock()) from pgflow.sweep_marks m) and t.executor = any (_next_timer.executors)
    order by t.due_at limit 1);
end
$$;

comment on function pgflow._next_timer(text[]) is 'When the next timer of these executors is due.';
