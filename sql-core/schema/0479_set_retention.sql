create function pgflow.set_retention(keep interval) returns void
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
begin
  if set_retention.keep is not null then
    perform pgflow._check_age('keep', set_retention.keep);
  end if;
  -- `where true`: Supabase refuses an update without a where in sessions of its API (safeupdate).
  update pgflow.settings s set retention = set_retention.keep where true;
end
$$;

comment on function pgflow.set_retention(interval) is 'Have maintain() delete runs that ended longer ago than this; null: keep them for ever.';
