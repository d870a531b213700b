"""Section for the store: where a run keeps what is too large for one process."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, field_validator

from tracker.errors import ConfigError
from tracker.store.place import parse_place, split_password


class StoreSettings(BaseModel):
    """Where detections, candidates and solution are kept while a run goes on, for itself and for its workers.

    A password in `url` is taken out of it at once: it is in no printed config, report or message. It may also stand
    in PGPASSWORD or .pgpass.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    url: str | None = None
    """sqlite:///FILE, or postgresql://USER:PASSWORD@HOST:PORT/DATABASE; default a file beside the result."""
    arrays: str | None = None
    """Folder for embeddings and scores as zarr; default beside the file, or beside the result."""
    block_frames: Annotated[int, Field(ge=1)] = 16
    """Frames whose embeddings or scores are computed, and kept, at a time."""
    workers: Annotated[int, Field(ge=1)] = 1
    """Processes that compute them, each with a model of its own; more than one helps where a GPU has room for them."""
    _password: str | None = PrivateAttr(default=None)

    @field_validator("url")
    @classmethod
    def _is_a_place(cls, url: str | None) -> str | None:
        if url is not None:
            try:
                parse_place(url, arrays=parse_place("memory:").arrays)
            except ConfigError as error:
                raise ValueError(str(error)) from None
        return url

    def model_post_init(self, _: Any) -> None:
        """Take the password out of sight."""
        if self.url is not None:
            url, password = split_password(self.url)
            self.__dict__["url"] = url  # frozen for everybody else
            self._password = password

    @property
    def password(self) -> str | None:
        """The password that stood in `url`."""
        return self._password
