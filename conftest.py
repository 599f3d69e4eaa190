"""What holds for all tests."""

from hypothesis import HealthCheck, settings

# A machine that stood still for a moment says nothing about the code.
settings.register_profile("pgflow", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("pgflow")
