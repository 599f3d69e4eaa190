select pgflow.grant_roles();
