"""Progress lines: plain ones an epoch, and a live one on a terminal."""

import io

from pipeline.training.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def show(out: io.StringIO) -> str:
    progress = Progress(epochs=3, steps=2, out=out)
    for epoch in range(3):
        for _ in range(2):
            progress.step(16)
        progress.epoch(epoch, {"loss": 1.23456, "accuracy": 0.5})
    progress.finish()
    return out.getvalue()


def test_progress_is_one_plain_line_an_epoch_away_from_terminals():
    text = show(io.StringIO())
    assert "\r" not in text and "\033" not in text and text.endswith("left\n")
    lines = text.splitlines()
    assert [line.split("  ")[0] for line in lines] == ["epoch 1/3", "epoch 2/3", "epoch 3/3"]
    assert "loss 1.235  accuracy 0.5" in lines[0] and lines[2].endswith("images/s  0:00 left")


def test_progress_of_epochs_without_steps_counts_their_images():
    out = io.StringIO()
    progress = Progress(epochs=2, steps=5, out=out)
    progress.start -= 10
    progress.sweep(1000)
    progress.epoch(0, {"accuracy": 0.5})
    assert out.getvalue() == "epoch 1/2  accuracy 0.5  100 images/s  0:10 left\n"


def test_progress_is_one_live_line_on_a_terminal():
    text = show(Terminal())
    assert text.count("\n") == 1 and text.endswith("\n")
    assert text.count("\r\033[K") == 3
