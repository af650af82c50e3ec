"""The exception tree. Whoever catches `YuanDemoError` has caught everything a person can cause.

    YuanDemoError            shown to the person, never as a stack trace
    ├── SettingsError        a flag or a YUAN_DEMO_* variable is wrong (seen in the terminal)
    ├── CheckpointError      a model cannot be found, read or trusted (seen in the terminal)
    └── PageError            seen in the browser, in the language of the page
        ├── PromptError      what was typed cannot be sent as it is
        ├── SamplingError    a sampling setting is outside its range
        └── EngineError      the model could not answer

Errors of the terminal are English sentences. Errors of the page carry a `code` and the values that
go into the sentence; `yuan_demo.ui.strings` has the sentence for every code in both languages.
"""


class YuanDemoError(Exception):
    """Base class: the message states the rule, the value that broke it and the next step."""


class SettingsError(YuanDemoError):
    """A flag or an environment variable has a value that cannot work."""


class CheckpointError(YuanDemoError):
    """A model cannot be found, read or trusted."""


class PageError(YuanDemoError):
    """An error for the browser: a code and the values of its sentence.

    Args:
        code: key of the sentence, for example `"message_too_long"`.
        **values: numbers and names that the sentence mentions.
    """

    def __init__(self, code: str, **values: object) -> None:
        super().__init__(f"{code}: {values}" if values else code)
        self.code = code
        self.values = values


class PromptError(PageError):
    """What was typed cannot be sent as it is."""


class SamplingError(PageError):
    """A sampling setting is outside its range."""


class EngineError(PageError):
    """The model could not answer."""
