"""A dump that can be compared keeps what belongs to the objects and nothing else."""

from pgflow_testing.dump import normalise

DUMP = """--
-- PostgreSQL database dump
--

\\restrict RANDOMKEY

-- Dumped from database version 18.4
SET statement_timeout = 0;
SELECT pg_catalog.set_config('search_path', '', false);

CREATE FUNCTION pgflow.f() RETURNS void
    LANGUAGE plpgsql
    AS $$
begin
  -- why

  perform 1;
  execute $q$ select 1 $q$;
end
$$;


--
-- Name: t; Type: TABLE
--

CREATE TABLE pgflow.t (
    a integer
);

\\unrestrict RANDOMKEY
"""

KEPT = """CREATE FUNCTION pgflow.f() RETURNS void
    LANGUAGE plpgsql
    AS $$
begin
  -- why

  perform 1;
  execute $q$ select 1 $q$;
end
$$;
CREATE TABLE pgflow.t (
    a integer
);
"""


def test_bodies_are_kept_to_the_letter_and_noise_is_not() -> None:
    assert normalise(DUMP) == KEPT
