-- PGFlow in a Supabase project: rights of the API's roles, an index for lists of users, and, where the extensions are, upkeep by pg_cron,
-- calls by pg_net and broadcasts by Realtime. What is missing is skipped with a notice; `select pgflow_supabase.install();` again after
-- an extension was enabled. Everything here is in the schema pgflow_supabase: dropping it (cascade) takes PGFlow back to what it is alone.
-- What a call or a broadcast meets is never an error of the transaction that it comes from: it is written to the database's log.
create schema pgflow_supabase;
comment on schema pgflow_supabase is 'PGFlow in a Supabase project: access, upkeep, calls, broadcasts.';

create index if not exists runs_by_owner on pgflow.runs (owner, run_id);
comment on index pgflow.runs_by_owner is 'Lets a user list the runs he owns without walking over everybody''s.';

create table pgflow_supabase.doorbells (
  executor text constraint doorbells_pkey primary key,
  url text not null,
  headers jsonb not null
);
alter table pgflow_supabase.doorbells enable row level security;
comment on table pgflow_supabase.doorbells is 'Where to post when tasks of an executor are ready.';
comment on column pgflow_supabase.doorbells.executor is 'The executor.';
comment on column pgflow_supabase.doorbells.url is 'Where to post: a dispatcher, or an edge function that pulls tasks.';
comment on column pgflow_supabase.doorbells.headers is 'Sent along; may hold a credential, so nobody but the owner of the schema reads this table.';

create function pgflow_supabase.grant_access() returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_right record;
begin
  for v_right in select * from (values ('authenticated', 'pgflow_user'), ('service_role', 'pgflow_owner')) r (grantee, rights) loop
    if to_regrole(v_right.grantee) is null or to_regrole(v_right.rights) is null then
      raise notice 'pgflow: % was not granted to %: there is no such role', v_right.rights, v_right.grantee;
      continue;
    end if;
    begin
      -- From PostgreSQL 16 on whether a right is inherited belongs to the grant.
      execute format('grant %I to %I', v_right.rights, v_right.grantee)
        || case when current_setting('server_version_num')::int >= 160000 then ' with inherit true' else '' end;
    exception when insufficient_privilege then
      raise notice 'pgflow: % could not be granted to %: %', v_right.rights, v_right.grantee, sqlerrm
        using hint = format('Have an administrator do it: grant %I to %I;', v_right.rights, v_right.grantee);
    end;
    if not pg_has_role(v_right.grantee, v_right.rights, 'usage') then
      raise notice 'pgflow: % does not inherit the rights of %', v_right.grantee, v_right.rights
        using hint = format('alter role %I inherit;', v_right.grantee);
    end if;
  end loop;
end
$$;
comment on function pgflow_supabase.grant_access() is 'Give the roles of the API their rights: authenticated those of a user, service_role those of a service, anon none.';

create function pgflow_supabase._post(bell pgflow_supabase.doorbells) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
set lock_timeout to '100ms'
as $$
begin
  -- A call that waits to be sent will do for this one, too; where very many wait, one more does not help. pg_net sends after the commit.
  if not exists (
      select from (select q.url from net.http_request_queue q limit 200) w
      having count(*) >= 200 or bool_or(w.url = _post.bell.url)) then
    perform net.http_post(url => _post.bell.url, body => jsonb_build_object('executor', _post.bell.executor),
      headers => '{"Content-Type": "application/json"}' || _post.bell.headers);
  end if;
exception when others then
  raise log 'pgflow: the doorbell of executor "%" was not rung: %', _post.bell.executor, sqlerrm;
end
$$;
comment on function pgflow_supabase._post(pgflow_supabase.doorbells) is 'Have pg_net post once this transaction commits, unless such a call waits already.';

create function pgflow_supabase._ring() returns trigger
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_rung text[] := string_to_array(current_setting('pgflow_supabase.rung', true), ',');
  v_bell pgflow_supabase.doorbells;
begin
  -- Once a transaction and executor.
  for v_bell in
    select b.* from pgflow_supabase.doorbells b
    where b.executor <> all (coalesce(v_rung, '{}'))
      and exists (select from added a join pgflow.queues q on q.queue_id = a.queue_id where q.executor = b.executor)
  loop
    v_rung := v_rung || v_bell.executor;
    perform set_config('pgflow_supabase.rung', array_to_string(v_rung, ','), true);
    perform pgflow_supabase._post(v_bell);
  end loop;
  return null;
exception when others then
  raise log 'pgflow: no doorbell was rung: %', sqlerrm;
  return null;
end
$$;
comment on function pgflow_supabase._ring() is 'Ring the doorbells of the executors for which tasks became ready.';

create function pgflow_supabase.set_doorbell(executor text, url text, headers jsonb default '{}') returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  if set_doorbell.url is null then
    delete from pgflow_supabase.doorbells d where d.executor = set_doorbell.executor;
  elsif set_doorbell.url !~ '^https?://[^/\s]' or jsonb_typeof(set_doorbell.headers) is distinct from 'object' then
    raise exception 'a doorbell needs a url with http(s) and headers that are an object' using errcode = 'PF008';
  elsif to_regprocedure('net.http_post(text, jsonb, jsonb, jsonb, integer)') is null then
    raise exception 'the extension pg_net is not enabled' using errcode = 'PF005', hint = 'create extension pg_net; then call this again.';
  else
    insert into pgflow_supabase.doorbells as d (executor, url, headers)
    values (set_doorbell.executor, set_doorbell.url, set_doorbell.headers)
    on conflict on constraint doorbells_pkey do update set url = excluded.url, headers = excluded.headers;
  end if;
  -- Without a doorbell nothing of it is left in the way of a transaction.
  drop trigger if exists ring on pgflow.ready_tasks;
  if exists (select from pgflow_supabase.doorbells) then
    create trigger ring after insert on pgflow.ready_tasks referencing new table as added
      for each statement execute function pgflow_supabase._ring();
  end if;
end
$$;
comment on function pgflow_supabase.set_doorbell(text, text, jsonb) is
  'Post to a URL when tasks of an executor become ready; url null: no more. A bell shortens a wait, it does not replace polling: see upkeep. PF005 without pg_net, PF008 bad input.';

create function pgflow_supabase.upkeep() returns jsonb
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_bell pgflow_supabase.doorbells;
begin
  for v_bell in
    select b.* from pgflow_supabase.doorbells b
    where exists (select from pgflow.queues q join pgflow.ready_tasks t on t.queue_id = q.queue_id where q.executor = b.executor)
  loop
    perform pgflow_supabase._post(v_bell);
  end loop;
  return pgflow.maintain();
end
$$;
comment on function pgflow_supabase.upkeep() is 'What the job of pg_cron does each minute: maintain(), and ring for tasks that are ready still.';

create function pgflow_supabase.schedule_upkeep() returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  if to_regprocedure('cron.schedule(text, text, text)') is null then
    raise notice 'pgflow: no upkeep by pg_cron: the extension is not enabled'
      using hint = 'A dispatcher does it, too. To have it without one: create extension pg_cron; select pgflow_supabase.install();';
    return;
  end if;
  perform cron.schedule('pgflow-upkeep', '* * * * *', 'select pgflow_supabase.upkeep()');
exception when insufficient_privilege then
  raise notice 'pgflow: no upkeep by pg_cron: %', sqlerrm;
end
$$;
comment on function pgflow_supabase.schedule_upkeep() is 'Have pg_cron do the upkeep each minute, where it is enabled. The same job again replaces itself.';

create function pgflow_supabase._broadcast() returns trigger
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
set lock_timeout to '100ms'
as $$
begin
  perform realtime.send(jsonb_build_object('run_id', new.run_id), 'run', 'pgflow:' || new.owner, true);
  return null;
exception when others then
  raise log 'pgflow: run % was not broadcast: %', new.run_id, sqlerrm;
  return null;
end
$$;
comment on function pgflow_supabase._broadcast() is 'Tell the owner of a run by Realtime that it started or ended: its id, and nothing else.';

create function pgflow_supabase._let_owners_hear() returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  drop policy if exists pgflow_own_runs on realtime.messages;
  create policy pgflow_own_runs on realtime.messages for select to authenticated
    using (realtime.topic() = 'pgflow:' || (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub'));
exception when insufficient_privilege or undefined_table or undefined_function or undefined_object then
  raise notice 'pgflow: users cannot hear broadcasts: %', sqlerrm
    using hint = 'Have who owns realtime.messages make the policy pgflow_own_runs on it: docs/how-to/supabase.md.';
end
$$;
comment on function pgflow_supabase._let_owners_hear() is 'Let signed-in users listen to the topic of their own runs.';

create function pgflow_supabase.set_broadcast(enabled boolean) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  drop trigger if exists broadcast_start on pgflow.runs;
  drop trigger if exists broadcast_end on pgflow.runs;
  if not set_broadcast.enabled then
    return;
  elsif to_regprocedure('realtime.send(jsonb, text, text, boolean)') is null then
    raise notice 'pgflow: no broadcasts: there is no realtime.send';
    return;
  end if;
  create trigger broadcast_start after insert on pgflow.runs for each row execute function pgflow_supabase._broadcast();
  create trigger broadcast_end after update on pgflow.runs for each row when (old.status <> new.status)
    execute function pgflow_supabase._broadcast();
  perform pgflow_supabase._let_owners_hear();
end
$$;
comment on function pgflow_supabase.set_broadcast(boolean) is
  'Broadcast the id of each run that starts or ends, to the private topic pgflow:<owner>, and let users hear their own; false: no more.';

create function pgflow_supabase.install() returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  perform pgflow_supabase.grant_access();
  perform pgflow_supabase.schedule_upkeep();
  perform pgflow_supabase.set_broadcast(true);
  if to_regprocedure('net.http_post(text, jsonb, jsonb, jsonb, integer)') is null then
    raise notice 'pgflow: no doorbells: the extension pg_net is not enabled';
  end if;
end
$$;
comment on function pgflow_supabase.install() is 'Connect PGFlow with what this project has: roles, pg_cron, Realtime, pg_net. May be repeated.';

revoke all on schema pgflow_supabase from public;
revoke all on all functions in schema pgflow_supabase from public;
select pgflow_supabase.install();
