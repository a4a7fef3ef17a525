"""The network of Perfect Match (Chung, Chung and Kang, ICASSP 2019), as SyncNet's files have it."""

from collections.abc import Sequence

from torch import Tensor, nn

from avsync.model.config import PERFECT_MATCH_CONFIG, ModelConfig
from avsync.timebase import WINDOW_FRAMES, WINDOW_HOPS


class PerfectMatchStreams(nn.Module):
    """VGG-M streams of the paper; module names are those of `syncnet_v2.model`.

    Frames are BGR 0..255 without normalisation, MFCC as they come (field practice of SyncNet).

    Parameters
    ----------
    config : ModelConfig
        Of the architecture perfect-match.

    References
    ----------
    Chung, Chung, Kang: Perfect Match: Improved Cross-Modal Embeddings for Audio-Visual
    Synchronisation, ICASSP 2019. Chung, Zisserman: Out of Time, ACCV 2016 workshops.
    """

    def __init__(self, config: ModelConfig = PERFECT_MATCH_CONFIG) -> None:
        super().__init__()
        self.config = config
        self.netcnnaud = nn.Sequential(  # (N, 1, 13, 20)
            *_vgg(nn.Conv2d(1, 64, 3, padding=1)),
            nn.MaxPool2d(1, stride=1),
            *_vgg(nn.Conv2d(64, 192, 3, padding=1)),
            nn.MaxPool2d(3, stride=(1, 2)),  # (11, 9)
            *_vgg(nn.Conv2d(192, 384, 3, padding=1)),
            *_vgg(nn.Conv2d(384, 256, 3, padding=1)),
            *_vgg(nn.Conv2d(256, 256, 3, padding=1)),
            nn.MaxPool2d(3, stride=2),  # (5, 4)
            *_vgg(nn.Conv2d(256, 512, (5, 4))),
        )
        self.netcnnlip = nn.Sequential(  # (1, 3, T, 224, 224)
            *_vgg(nn.Conv3d(3, 96, (5, 7, 7), stride=(1, 2, 2))),  # (T - 4, 109, 109)
            nn.MaxPool3d((1, 3, 3), stride=(1, 2, 2)),  # 54
            *_vgg(nn.Conv3d(96, 256, (1, 5, 5), stride=(1, 2, 2), padding=(0, 1, 1))),  # 26
            nn.MaxPool3d((1, 3, 3), stride=(1, 2, 2), padding=(0, 1, 1)),  # 13
            *_vgg(nn.Conv3d(256, 256, (1, 3, 3), padding=(0, 1, 1))),
            *_vgg(nn.Conv3d(256, 256, (1, 3, 3), padding=(0, 1, 1))),
            *_vgg(nn.Conv3d(256, 256, (1, 3, 3), padding=(0, 1, 1))),
            nn.MaxPool3d((1, 3, 3), stride=(1, 2, 2)),  # 6
            *_vgg(nn.Conv3d(256, 512, (1, 6, 6))),
        )
        self.netfcaud = _head(config.embedding_size)
        self.netfclip = _head(config.embedding_size)

    def embed_video(self, frames: Tensor) -> Tensor:
        return self.embed_videos(frames, [len(frames)])

    def embed_videos(self, frames: Tensor, lengths: Sequence[int]) -> Tensor:
        clip = frames.float().permute(3, 0, 1, 2)[None]  # (1, 3, T, 224, 224)
        windows = self.netcnnlip[0](clip)  # (1, 96, T - 4, 109, 109), also across clips
        if len(lengths) > 1:
            windows = windows[:, :, _inside_clips(lengths)]
        features = self.netcnnlip[1:](windows)[0, :, :, 0, 0]  # (512, N)
        embeddings: Tensor = self.netfclip(features.T)
        return embeddings

    def embed_audio(self, mfcc: Tensor) -> Tensor:
        return self.embed_sounds(mfcc[None])[0]

    def embed_sounds(self, mfcc: Tensor) -> Tensor:
        windows = mfcc.float().unfold(1, WINDOW_HOPS, 1)  # (B, S - 19, 13, 20)
        features = self.netcnnaud(windows.flatten(0, 1)[:, None]).flatten(1)
        embeddings: Tensor = self.netfcaud(features)
        return embeddings.view(len(mfcc), -1, self.config.embedding_size)


def _vgg(conv: nn.Conv2d | nn.Conv3d) -> tuple[nn.Module, ...]:
    norm = nn.BatchNorm2d if isinstance(conv, nn.Conv2d) else nn.BatchNorm3d
    return conv, norm(conv.out_channels), nn.ReLU(inplace=True)


def _head(size: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(512, 512), nn.BatchNorm1d(512), nn.ReLU(inplace=True), nn.Linear(512, size)
    )


def _inside_clips(lengths: Sequence[int]) -> list[int]:
    """Of all windows of clips put one after the other, those that do not span two."""
    starts = [sum(lengths[:k]) for k in range(len(lengths))]
    return [
        start + k
        for start, length in zip(starts, lengths, strict=True)
        for k in range(length - WINDOW_FRAMES + 1)
    ]
