create view pgflow._doctor_rights as
select 'unknown' as severity, current_user::text as subject,
  format('user %s does not see what sessions of other users do: long_transactions misses them', current_user) as finding,
  format('grant pg_read_all_stats to %I;', current_user) as mend
where not pg_has_role(current_user, 'pg_read_all_stats', 'usage');

comment on view pgflow._doctor_rights is 'What the owner of the schema, as whom the doctor looks, may not see.';
