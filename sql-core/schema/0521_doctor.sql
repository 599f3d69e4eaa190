-- Security definer: the checks read tables of the engine and statistics that the caller need not be granted one by one.
create function pgflow.doctor(only_check text default null)
  returns table (check_name text, severity text, subject text, finding text, mend text)
language plpgsql stable security definer
set search_path to pg_catalog, pg_temp
set lock_timeout to '1s'
set jit to off
as $$
declare
  v_checks text[] := array(
    select c.check_name from pgflow.doctor_checks c where c.check_name = coalesce(doctor.only_check, c.check_name) order by c.check_name);
  v_check text;
begin
  if v_checks = '{}' then
    raise exception 'there is no check "%"', doctor.only_check using errcode = 'PF008', hint = 'select * from pgflow.doctor_checks;';
  end if;
  foreach v_check in array v_checks loop
    begin
      return query execute format('select %L, d.severity, d.subject, d.finding, d.mend from pgflow.%I d order by d.subject, d.finding',
        v_check, '_doctor_' || v_check);
    exception when others then
      return query select v_check, 'unknown', current_database()::text, format('could not look: %s', sqlerrm),
        format('mend what is said, then: select * from pgflow.doctor(%L);', v_check);
    end;
  end loop;
end
$$;

comment on function pgflow.doctor(text) is
  'What is wrong around the engine, one row a finding with its mend; error, warning, note, or unknown where it could not look. PF008 no such check.';
