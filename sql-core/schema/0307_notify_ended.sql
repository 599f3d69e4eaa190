create function pgflow._notify_ended(run_ids uuid[]) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  perform set_config('pgflow.ended_runs',
    concat_ws(',', nullif(current_setting('pgflow.ended_runs', true), ''), array_to_string(_notify_ended.run_ids, ',')), true);
end
$$;

comment on function pgflow._notify_ended(uuid[]) is 'Have _notify tell listeners that these runs ended.';
