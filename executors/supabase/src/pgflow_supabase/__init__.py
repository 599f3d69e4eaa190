"""Runs PGFlow steps in Supabase Edge Functions."""

from pgflow_supabase.target import Edge

__all__ = ["Edge"]
