"""Makes boto3 clients that send a request once, and have credentials before they are used."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import boto3
import botocore.session
from botocore.config import Config
from botocore.credentials import (
    AssumeRoleCredentialFetcher,
    CredentialProvider,
    CredentialResolver,
    DeferredRefreshableCredentials,
)
from botocore.exceptions import NoCredentialsError

from pgflow_lambda.settings import LambdaSettings

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_sqs import SQSClient

__all__ = ["Clients", "NoCredentials"]


class NoCredentials(Exception):
    """Nothing was sent: credentials could not be had, for this reason."""

    def __init__(self, reason: Exception) -> None:
        super().__init__(str(reason))
        self.reason = reason


class Clients:
    """The clients of one set of credentials; raises what botocore says of a profile or region."""

    def __init__(self, settings: LambdaSettings, connections: int) -> None:
        self._settings = settings
        self._connections = connections
        self._session = _session(settings, self._config(settings.response_timeout))
        self._sqs: SQSClient | None = None
        self.event: LambdaClient = self._lambda(settings.response_timeout)
        self.sync: LambdaClient = self._lambda(settings.sync_timeout)

    def sqs(self, queue_url: str, wait: float) -> SQSClient:
        """Return the client of a queue, which waits so long for messages."""
        if self._sqs is None:
            parts = urlsplit(queue_url)
            config = self._config(wait + self._settings.response_timeout)
            made = self._session.client("sqs", endpoint_url=f"{parts.scheme}://{parts.netloc}", config=config)
            self._sqs = cast("SQSClient", made)
        return self._sqs

    def authenticate(self) -> None:
        """Get or renew the credentials; raises NoCredentials."""
        try:
            credentials = self._session.get_credentials()
            if credentials is None:
                raise NoCredentialsError
            credentials.get_frozen_credentials()
        except Exception as error:
            raise NoCredentials(error) from error

    def close(self) -> None:
        """Close the connections that are not in use."""
        self.event.close()
        self.sync.close()
        if self._sqs is not None:
            self._sqs.close()

    def _lambda(self, read_timeout: float) -> LambdaClient:
        client = self._session.client(
            "lambda", endpoint_url=self._settings.endpoint_url, config=self._config(read_timeout)
        )
        return cast("LambdaClient", client)

    def _config(self, read_timeout: float) -> Config:
        return Config(
            connect_timeout=self._settings.connect_timeout,
            read_timeout=read_timeout,
            max_pool_connections=self._connections,
            # Lambda starts another execution for a request that is sent again: the core alone retries.
            retries={"total_max_attempts": 1, "mode": "standard"},
            tcp_keepalive=True,
        )


def _session(settings: LambdaSettings, config: Config) -> boto3.Session:
    session = boto3.Session(profile_name=settings.profile, region_name=settings.region)
    if settings.role_arn is None:
        return session
    core = botocore.session.Session(profile=settings.profile)
    core.set_config_variable("region", session.region_name)
    resolver = cast("CredentialResolver", core.get_component("credential_provider"))
    secret = settings.role_external_id
    asked = {"RoleSessionName": "pgflow"} | ({"ExternalId": secret.get_secret_value()} if secret else {})
    resolver.providers.insert(0, _AssumedRole(session, settings.role_arn, asked, config))
    return boto3.Session(botocore_session=core)


class _AssumedRole(CredentialProvider):
    """Credentials of a role, renewed before they end."""

    METHOD = "pgflow-assume-role"
    CANONICAL_NAME = "custom-pgflow-assume-role"

    def __init__(self, source: boto3.Session, role_arn: str, asked: dict[str, str], config: Config) -> None:
        super().__init__()
        self._source = source
        self._role_arn = role_arn
        self._asked = asked
        self._config = config

    def load(self) -> DeferredRefreshableCredentials:
        """Return credentials that are fetched when they are first used."""
        return DeferredRefreshableCredentials(refresh_using=self._fetch, method="sts-assume-role")

    def _fetch(self) -> Any:
        source = self._source.get_credentials()
        if source is None:
            raise NoCredentialsError
        return AssumeRoleCredentialFetcher(self._sts, source, self._role_arn, self._asked).fetch_credentials()

    def _sts(self, *service: Any, **credentials: Any) -> Any:
        make: Callable[..., Any] = self._source.client
        return make(*service, config=self._config, **credentials)
