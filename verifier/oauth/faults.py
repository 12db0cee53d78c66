"""What stops the start."""


class MisconfiguredError(ValueError):
    """A key or an issuers file that must not be used. `code` is stable, the message is for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
