"""Which proposals are learnt from, also where an image's annotations are known to be incomplete."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torchvision.models.detection._utils import BalancedPositiveNegativeSampler

MEMORY = 0.02
"""Weight of one fully annotated image in the running share of negatives."""


class NegativesShare(nn.Module):
    """How many negatives a positive has in fully annotated images, and what that leaves in sparse ones.

    A sparsely annotated image has fewer positives than it has objects, so its usual number of negatives would
    outweigh them. It gets as many negatives a positive as fully annotated images have (the paper's training
    on sparse annotations); without a single positive it teaches nothing of background.

    Attributes
    ----------
    ratio : () float32, negatives a positive, the running mean of fully annotated images; kept in the model
    """

    ratio: Tensor

    def __init__(self, *, positive_fraction: float) -> None:
        super().__init__()
        self.register_buffer("ratio", torch.tensor((1 - positive_fraction) / positive_fraction))

    def learn(self, *, positives: int, negatives: int) -> None:
        """Take one fully annotated image into account."""
        if positives:
            self.ratio.lerp_(torch.full_like(self.ratio, negatives / positives), MEMORY)

    def of(self, positives: int) -> int:
        """Negatives for so many positives of a sparsely annotated image."""
        return round(float(self.ratio) * positives)


class ShareKeepingSampler(nn.Module):
    """Torchvision's balanced sampler, but with fewer negatives in sparsely annotated images.

    Attributes
    ----------
    share : see `NegativesShare`
    sparse : whether each image of the next batch is sparsely annotated
    """

    def __init__(self, *, size: int, positive_fraction: float) -> None:
        super().__init__()
        self._balanced = BalancedPositiveNegativeSampler(size, positive_fraction)
        self.share = NegativesShare(positive_fraction=positive_fraction)
        self.sparse: Sequence[bool] = ()

    def forward(self, labels: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Choose positives and negatives.

        Parameters
        ----------
        labels : (n,) per image; positive above 0, negative 0, unused below

        Returns
        -------
        positives, negatives : (n,) uint8 per image, 1 where chosen
        """
        positives, negatives = self._balanced(labels)
        for image, (positive, negative) in enumerate(zip(positives, negatives, strict=True)):
            count = int(positive.sum())
            if self.sparse and self.sparse[image]:
                _keep_some(negative, self.share.of(count))
            else:
                self.share.learn(positives=count, negatives=int(negative.sum()))
        return positives, negatives

    def would_choose(self, labels: list[Tensor]) -> bool:
        """Whether anything at all is chosen of such labels."""
        flags = self.sparse or [False] * len(labels)
        return any(
            bool((label > 0).any() or (not sparse and (label == 0).any()))
            for label, sparse in zip(labels, flags, strict=True)
        )


def _keep_some(chosen: Tensor, number: int) -> None:
    """Leave at most `number` of the chosen, in place, at random."""
    rows = torch.nonzero(chosen)[:, 0]
    dropped = rows[torch.randperm(len(rows), device=rows.device)[number:]]
    chosen[dropped] = 0
