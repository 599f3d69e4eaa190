create function pgflow._notify_ended(run_ids uuid[]) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  -- A payload is limited to 8000 bytes; 200 ids of 37 bytes fit.
  if cardinality(_notify_ended.run_ids) > 200 then
    perform pg_notify('pgflow_events', '*');
  elsif cardinality(_notify_ended.run_ids) > 0 then
    perform pg_notify('pgflow_events', array_to_string(_notify_ended.run_ids, ','));
  end if;
end
$$;

comment on function pgflow._notify_ended(uuid[]) is 'Tell listeners which runs ended; * when they are too many to name.';
