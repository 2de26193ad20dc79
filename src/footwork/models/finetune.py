"""Settings of the recipe `finetune`; `footwork.models.finetune_fit` trains by them."""

from pydantic import Field

from footwork.models.seed import SeedSettings
from footwork.records import Record


class FinetuneSettings(Record):
    """[recipes.NAME.finetuning]: how the last layers of a base are trained further."""

    learning_rate: float = Field(1e-5, gt=0, le=1, description="of AdamW, for base and head")
    weight_decay: float = Field(1e-4, ge=0, le=1, description="of AdamW")
    depth: float = Field(
        0.25, gt=0, le=1,
        description="which share of the base's layers is trained, counted from its end; "
        "batch-norm never is",
    )  # fmt: skip
    side: int | None = Field(
        None, ge=32, le=1024, description="pixels; the base's own where it is left out"
    )
    batch: int = Field(16, ge=1, le=4096, description="photos per step")
    epochs: int = Field(10, ge=1, le=1000, description="at most")
    patience: int = Field(3, ge=1, description="epochs without a better validation loss")

    def training(self) -> SeedSettings:
        """Return the same as settings of `fit`: one softmax, right inputs, grouped validation."""
        return SeedSettings(
            contract="right",
            learning_rate=self.learning_rate,
            flip="none",  # `Mild` augments instead of Keras's layers
            rotation=0,
            zoom=0,
            stretch=0,
            squash=False,
            split="grouped",
            restore_best=True,
            widths=(),
            dropout=0,
            frozen=False,
            side=self.side,
            batch=self.batch,
            epochs=self.epochs,
            patience=self.patience,
        )
