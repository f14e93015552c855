"""The tree of failures: what stops work.

What becomes of one URL is never an error but an outcome (`model.Outcome`). An exception from here
means that a list, a batch or a whole run cannot go on. Every message names the culprit and the
remedy and is safe to print: nobody hands a credential to these classes.

    TmdbAssetsError
    ├── ConfigurationError     a setting or an environment variable
    ├── UrlListError           a file of URLs
    ├── BatchError             a frozen list or batch on disk
    │   └── BatchBusyError     somebody else writes this batch now
    ├── StoreError             a data folder that cannot be read or written
    ├── QueryError             SQL that cannot be answered
    ├── CredentialError        TMDB refuses the token or the key
    ├── LimiterError
    │   ├── LimiterUnavailableError   the store of the limiter cannot be used
    │   └── LimiterClosedError        this process is being stopped
    └── DownloadStoppedError   a stop rule ended a batch early
        └── OutageError        TMDB does not answer: to be tried again later
"""


class TmdbAssetsError(Exception):
    """Base of all failures of this package; its text is one line for the user."""


class ConfigurationError(TmdbAssetsError):
    """A setting is missing or out of its bounds."""


class UrlListError(TmdbAssetsError):
    """A file of URLs cannot be used as a whole."""


class BatchError(TmdbAssetsError):
    """A frozen list or batch is unknown, altered or of another format."""


class BatchBusyError(BatchError):
    """Another process writes this batch at the moment."""


class StoreError(TmdbAssetsError):
    """Files of a batch cannot be read or written."""


class QueryError(TmdbAssetsError):
    """SQL that cannot be answered."""


class CredentialError(TmdbAssetsError):
    """TMDB refuses the credential: no further request can succeed."""


class LimiterError(TmdbAssetsError):
    """No permit can be had."""


class LimiterUnavailableError(LimiterError):
    """The store that the limiter shares cannot be used: nothing may be sent."""


class LimiterClosedError(LimiterError):
    """The limiter was closed while a thread waited for a permit."""


class DownloadStoppedError(TmdbAssetsError):
    """A batch ended before every URL had an outcome; what it has is kept."""


class OutageError(DownloadStoppedError):
    """Nothing has answered for too long; the next run may have better luck."""
