"""What the terminal says below a leaderboard."""

from types import SimpleNamespace

from footwork.cli.truth import notes_in_words


def test_a_note_on_several_entries_is_printed_once() -> None:
    entries = [
        SimpleNamespace(title="pose · probe", notes=("64 of 67 found",)),
        SimpleNamespace(title="lite0 · probe", notes=()),
        SimpleNamespace(title="pose · strong", notes=("64 of 67 found", "slow")),
        SimpleNamespace(title="pose · squash", notes=("64 of 67 found",)),
    ]
    assert notes_in_words(entries) == [  # type: ignore[arg-type]
        "pose · probe and 2 more: 64 of 67 found",
        "pose · strong: slow",
    ]
