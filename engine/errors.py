"""What can go wrong, and whose mistake it is. Every message says what was given, what was expected, what to do."""

from __future__ import annotations


class AttraxError(Exception):
    """Base of all errors that attrax raises on purpose."""


class InputError(AttraxError):
    """The user's input is wrong (exit code 2)."""


class DeclarationError(InputError):
    """A system's declaration or its function is wrong."""


class UnsupportedPrimitive(DeclarationError):
    """A system's function uses a JAX primitive that is not lowered to machine code."""


class ScenarioError(InputError):
    """A scenario file is wrong; the message begins with ``file:line:column``."""


class StorageError(InputError):
    """A file cannot be written (exists, no permission, no space) or is not one of ours."""


class NumericsError(AttraxError):
    """The numerics failed (exit code 3); what had been computed is in ``partial`` or on disk."""

    def __init__(self, message: str, partial=None):
        super().__init__(message)
        self.partial = partial


class Interrupted(AttraxError):
    """Stopped by Ctrl-C (exit code 130); what had been computed is in ``partial`` or on disk."""

    def __init__(self, message: str, partial=None):
        super().__init__(message)
        self.partial = partial


class StiffnessWarning(UserWarning):
    """An explicit method takes many more steps than accuracy asks for, because the system is stiff."""
