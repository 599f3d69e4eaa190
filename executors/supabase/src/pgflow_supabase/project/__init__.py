"""What `pgflow supabase init` writes into a Supabase project."""
