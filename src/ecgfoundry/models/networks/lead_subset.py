"""LeadSubsetNet: multilabel classification from any subset of the twelve leads.

The network finds the heart beats itself, averages them, and reads the aligned averages:

1. *Beats* (no trained parameters): the slope energy of the leads that are there gives the QRS
   complexes; the windows around them are averaged twice, the second time with weights that fall
   with a beat's unlikeness to the first average, so that ectopic beats and artefacts hardly count.
   This is the signal averaging of electrocardiography (for example Macfarlane et al. 1990 for the
   averaged beat of a resting ECG) written in tensor operations, so that it exports with the rest.
2. *Frontal plane* (no trained parameters): standardizing each lead alone loses the ratios of their
   amplitudes, and with them the electrical axis. In the limb leads they are recovered in closed
   form, because III = II - I ties their scales together.
3. *Members*: small convolutional networks. One encoder with the same weights for every lead; one
   linear map per lead into common channels, summed over the leads that are there; convolutions
   over time; pooling with learned weights per time, which alignment makes meaningful.

Members' embeddings are laid side by side and one linear layer reads them all, which is the same as
averaging the members' logits. The design is ours.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from ecgfoundry.documents import JsonObject
from ecgfoundry.models.networks.ensemble import Committee

__all__ = ["BeatViews", "LeadSubsetNet", "average_beats", "limb_scales", "locate_beats"]

LEADS = 12
LIMB_LEADS = 6
SAMPLING_RATE = 250.0
"""Hz, of the network's input."""

SMOOTHING = 17
"""Samples (68 ms) of each of the two moving averages over the slope energy: a triangle about as
wide as a QRS complex (our choice)."""
REFRACTORY = 45
"""Samples (180 ms) on either side of a beat without a higher maximum (our choice; the usual
physiological refractory time is 200 ms, Pan & Tompkins 1985)."""
PIECE = 500
"""Samples (2 s) of the pieces whose highest slope energies are compared."""
PEAK_SHARE = 0.2
"""A beat's slope energy against the window's typical highest one (our choice)."""
MOST_BEATS = 32
"""Beats that are read at most: 192 per minute in 10 s; the most energetic ones are taken."""
BEFORE, AFTER, STEP = 100, 160, 2
"""Samples before and after the middle of the QRS complex (0.40 and 0.64 s, room for the longest PR
and most QT times), and the step: 125 Hz is enough after the 40-Hz low-pass."""
POSITIONS = (BEFORE + AFTER) // STEP
RHYTHM_FIGURES = 6
TINY = 1e-6


class BeatViews(NamedTuple):
    """What the members see of a batch of windows.

    Attributes
    ----------
    average : Tensor (batch, leads, positions)
        The dominant beat.
    spread : Tensor (batch, leads, positions)
        Standard deviation of all beats around it.
    rhythm : Tensor (batch, 6)
        Beat count, mean RR, standard deviation of RR, mean change of RR, mean likeness of the
        beats to the dominant one and its standard deviation, each roughly scaled to order 1.
    limb_scales : Tensor (batch, 6)
        Logarithms of the limb leads' standard deviations relative to their root mean square.
        Meaningless, but finite, unless all six are there.
    """

    average: Tensor
    spread: Tensor
    rhythm: Tensor
    limb_scales: Tensor


def locate_beats(signal: Tensor, presence: Tensor) -> tuple[Tensor, Tensor]:
    """Find the QRS complexes that the present leads show together.

    Parameters
    ----------
    signal : Tensor (batch, leads, samples)
        250 Hz; absent leads zero.
    presence : Tensor (batch, leads)
        1 where a lead is there.

    Returns
    -------
    position : Tensor, int64 (batch, MOST_BEATS)
        Sample numbers in order of time.
    valid : Tensor, float32 (batch, MOST_BEATS)
        1 for a beat; 0 for a place that is not used (all of them at the end).
    """
    slope = functional.pad(signal[..., 2:] - signal[..., :-2], (1, 1))
    energy = slope * slope
    # Every lead counts alike, whatever share of its variance the QRS complexes have.
    energy = energy / (energy.mean(dim=-1, keepdim=True) + TINY)
    leads = presence.sum(dim=1).clamp(min=1.0)
    energy = (energy * presence.unsqueeze(-1)).sum(dim=1, keepdim=True) / leads[:, None, None]
    for _ in range(2):
        energy = functional.avg_pool1d(energy, SMOOTHING, 1, SMOOTHING // 2)
    # A symmetric beat has two maxima of one height, and rounding would choose between them: a
    # slope of a millionth per sample, ten times the rounding, always prefers the earlier one.
    samples = torch.arange(energy.shape[-1], device=energy.device, dtype=energy.dtype)
    energy = energy * (1.0 - 1e-6 * samples)
    # The middle three of the maxima of the five 2-s pieces: neither a pause nor an artefact.
    # Pieces that are all padding do not count, and a fifth of the highest (our choice) is the
    # least, for recordings of which hardly more than one piece is left.
    pieces = functional.max_pool1d(energy, PIECE, PIECE).squeeze(1).sort(dim=-1).values
    middle = pieces[:, 1:4]
    filled = (middle > 0).to(middle.dtype).sum(dim=-1)
    typical = torch.maximum(middle.sum(dim=-1) / filled.clamp(min=1.0), 0.2 * pieces[:, -1])
    highest = functional.max_pool1d(energy, 2 * REFRACTORY + 1, 1, REFRACTORY)
    is_peak = (energy >= highest) & (energy > PEAK_SHARE * typical[:, None, None])
    height = torch.where(is_peak, energy, torch.zeros_like(energy)).squeeze(1)
    top, position = height.topk(MOST_BEATS, dim=-1)
    valid = top > 0
    last = torch.full_like(position, signal.shape[-1])
    order = torch.where(valid, position, last).sort(dim=-1).indices
    return position.gather(-1, order), valid.gather(-1, order).to(signal.dtype)


def average_beats(
    signal: Tensor,
    position: Tensor,
    valid: Tensor,
    *,
    kept: Tensor | None = None,
    shift: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Average the beats of a window, and measure rhythm and likeness.

    Parameters
    ----------
    signal : Tensor (batch, leads, samples)
        Absent leads zero.
    position, valid : Tensor (batch, beats)
        From :func:`locate_beats`.
    kept : Tensor (batch, beats), optional
        For augmentation: 0 leaves a beat out of the averages (not out of the rhythm).
    shift : Tensor, int64 (batch,), optional
        For augmentation: samples by which all beats of a window are misplaced.

    Returns
    -------
    average, spread : Tensor (batch, leads, positions)
    rhythm : Tensor (batch, 6)
        See :class:`BeatViews`.
    """
    batch, leads, samples = signal.shape
    beats = position.shape[1]
    offsets = torch.arange(-BEFORE, AFTER, STEP, device=signal.device)
    index = position.unsqueeze(-1) + offsets
    if shift is not None:
        index = index + shift[:, None, None]
    inside = ((index >= 0) & (index < samples)).to(signal.dtype)
    index = index.clamp(0, samples - 1).reshape(batch, 1, beats * POSITIONS)
    windows = signal.gather(2, index.expand(-1, leads, -1))
    windows = windows.reshape(batch, leads, beats, POSITIONS)

    weight = (valid if kept is None else valid * kept).unsqueeze(-1) * inside

    def mean(values: Tensor, by: Tensor) -> Tensor:
        # The small constant (our choice) gives 0 where no beat reaches.
        return (values * by.unsqueeze(1)).sum(dim=2) / (by.sum(dim=1).unsqueeze(1) + 1e-3)

    first = mean(windows, weight).unsqueeze(2)
    by = weight.unsqueeze(1)
    product = (windows * first * by).sum(dim=(1, 3))
    energy = (windows * windows * by).sum(dim=(1, 3)) * (first * first * by).sum(dim=(1, 3))
    likeness = product / energy.clamp(min=TINY).sqrt()
    # Half weight at a correlation of 0.7 with the first average (our choice).
    alike = torch.sigmoid((likeness - 0.7) * 15.0) + 1e-3
    average = mean(windows, weight * alike.unsqueeze(-1))
    deviation = windows - average.unsqueeze(2)
    spread = mean(deviation * deviation, weight).clamp(min=TINY).sqrt()
    return average, spread, _rhythm(position, valid, likeness)


def _rhythm(position: Tensor, valid: Tensor, likeness: Tensor) -> Tensor:
    """Six figures of the rhythm; offsets and factors bring them to order 1 (our choice)."""
    count = valid.sum(dim=1)
    both = valid[:, 1:]
    intervals = (position[:, 1:] - position[:, :-1]).to(likeness.dtype) / SAMPLING_RATE * both
    number = both.sum(dim=1).clamp(min=1.0)
    mean_rr = intervals.sum(dim=1) / number
    variance = (((intervals - mean_rr.unsqueeze(1)) ** 2) * both).sum(dim=1) / number
    change = ((intervals[:, 1:] - intervals[:, :-1]).abs() * valid[:, 2:]).sum(dim=1)
    change = change / valid[:, 2:].sum(dim=1).clamp(min=1.0)
    at_least_one = count.clamp(min=1.0)
    alike = (likeness * valid).sum(dim=1) / at_least_one
    unlike = (((likeness - alike.unsqueeze(1)) ** 2) * valid).sum(dim=1) / at_least_one
    return torch.stack(
        [
            count / 12.0 - 1.0,
            mean_rr - 0.85,
            variance.clamp(min=TINY).sqrt() * 4.0,
            change * 4.0,
            alike * 4.0 - 3.5,
            unlike.clamp(min=TINY).sqrt() * 4.0,
        ],
        dim=1,
    )


def limb_scales(signal: Tensor) -> Tensor:
    """Relative scales of limb leads that were standardized one by one.

    With :math:`x_l = (L_l - m_l) / s_l` and III = II - I, the least-squares solution of
    :math:`x_{III} = a x_{II} - b x_I` is :math:`a = s_{II} / s_{III}, b = s_I / s_{III}`; the four
    others follow from the reconstructed leads.

    Parameters
    ----------
    signal : Tensor (batch, leads, samples)
        Leads I, II and III first.

    Returns
    -------
    Tensor (batch, 6)
        Logarithm of each limb lead's standard deviation (order I II III aVR aVL aVF) over the
        root mean square of the six.
    """
    first, second, third = signal[:, 0], signal[:, 1], signal[:, 2]
    s11, s22 = (first * first).mean(dim=-1), (second * second).mean(dim=-1)
    s12 = (first * second).mean(dim=-1)
    s13, s23 = (first * third).mean(dim=-1), (second * third).mean(dim=-1)
    determinant = (s11 * s22 - s12 * s12).clamp(min=1e-4)
    a = ((s23 * s11 - s13 * s12) / determinant).clamp(0.05, 20.0)
    b = ((s23 * s12 - s13 * s22) / determinant).clamp(0.05, 20.0)
    one, two = first * b.unsqueeze(1), second * a.unsqueeze(1)
    leads = [one, two, two - one, (one + two) * 0.5, one - two * 0.5, two - one * 0.5]
    power = torch.stack([(lead * lead).mean(dim=-1) for lead in leads], dim=1)
    scale = power.sqrt().clamp(min=1e-3)
    return (scale / scale.square().mean(dim=1, keepdim=True).sqrt()).log()


class LeadSubsetNet(Committee):
    """Committee of small networks on averaged beats, for any subset of the twelve leads.

    Parameters
    ----------
    classes : int
        Number of logits.
    members : int
        Networks in the committee.
    lead_channels : int
        Channels of the encoder that all leads share.
    channels : int
        Channels after the leads were brought together.
    kernel : int
        Width of the convolutions after that, at 31.25 Hz.
    blocks : int
        Residual blocks.
    time_maps : int
        Learned weightings over time, per channel.
    dropout : float
        Share of the embedding that is dropped in training.
    channel_dropout : float
        Share of whole channels that is dropped in training.
    """

    def __init__(
        self,
        classes: int = 5,
        *,
        members: int = 1,
        lead_channels: int = 32,
        channels: int = 96,
        kernel: int = 5,
        blocks: int = 1,
        time_maps: int = 2,
        dropout: float = 0.3,
        channel_dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.config: JsonObject = {
            "classes": classes,
            "members": members,
            "lead_channels": lead_channels,
            "channels": channels,
            "kernel": kernel,
            "blocks": blocks,
            "time_maps": time_maps,
            "dropout": dropout,
            "channel_dropout": channel_dropout,
        }
        self.members = nn.ModuleList(
            _Member(
                lead_channels=lead_channels,
                channels=channels,
                kernel=kernel,
                blocks=blocks,
                time_maps=time_maps,
                channel_dropout=channel_dropout,
            )
            for _ in range(members)
        )
        self.features = sum(member.features for member in self.members)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(self.features, classes)

    def forward(self, signal: Tensor, presence: Tensor | None = None) -> Tensor:
        """Logits of standardized windows.

        Parameters
        ----------
        signal : Tensor
            float32 (batch, 12, 2500): I II III aVR aVL aVF V1-V6 at 250 Hz, each standardized
            alone. What stands in an absent lead's row has no influence.
        presence : Tensor, optional
            float32 (batch, 12): 1 where a lead is there, 0 where not. None: all are there.

        Returns
        -------
        Tensor
            Logits, (batch, classes).
        """
        return self.classifier(self.dropout(self.forward_features(signal, presence)))

    def forward_features(self, signal: Tensor, presence: Tensor | None = None) -> Tensor:
        """Embedding of each window, (batch, features)."""
        if presence is None:
            presence = torch.ones_like(signal[:, :, 0])
        return self.embed(self.beat_views(signal, presence), presence)

    def beat_views(self, signal: Tensor, presence: Tensor) -> BeatViews:
        """Beat averages, rhythm and limb scales of each window: the part without parameters."""
        signal = torch.where(presence.unsqueeze(-1) > 0, signal, torch.zeros_like(signal))
        average, spread, rhythm = average_beats(signal, *locate_beats(signal, presence))
        return BeatViews(average, spread, rhythm, limb_scales(signal))

    def embed(self, views: BeatViews, presence: Tensor) -> Tensor:
        """Embedding, (batch, features), from views made before: what training runs."""
        return torch.cat([member(views, presence) for member in self.members], dim=1)


class _Member(nn.Module):
    """One network of the committee: views of a batch -> its embedding."""

    def __init__(
        self,
        *,
        lead_channels: int,
        channels: int,
        kernel: int,
        blocks: int,
        time_maps: int,
        channel_dropout: float,
    ) -> None:
        super().__init__()
        self.lead_channels = lead_channels
        self.lead_stem = _convolution(3, lead_channels, 9, stride=2)
        self.lead_convolution = _convolution(lead_channels, lead_channels, 5, stride=2)
        self.lead_norm = nn.BatchNorm2d(lead_channels)
        # A convolution of width 1 over all leads' channels: one matrix per lead, summed.
        self.join = _convolution(LEADS * lead_channels, channels, 1)
        self.join_norm = nn.BatchNorm2d(channels)
        self.join_dropout = nn.Dropout2d(channel_dropout)
        self.convolution = _convolution(channels, channels, kernel)
        self.blocks = nn.Sequential(
            *[_Block(channels, kernel, channel_dropout) for _ in range(blocks)]
        )
        self.norm = nn.BatchNorm2d(channels)
        positions = ((POSITIONS + 1) // 2 + 1) // 2
        self.time_weights = nn.Parameter(
            torch.randn(time_maps, channels, positions) * 0.3 / positions**0.5
        )
        facts = 32
        self.facts = nn.Sequential(nn.Linear(RHYTHM_FIGURES + LIMB_LEADS + LEADS, facts), nn.SiLU())
        self.features = (time_maps + 1) * channels + facts
        self.feature_norm = nn.BatchNorm1d(self.features)
        # Two-dimensional convolutions of height 1 in channels-last layout: the same arithmetic as
        # one-dimensional ones, 1.3 to 2.5 times as fast on the CPU (measured, oneDNN, AVX-512).
        self.to(memory_format=torch.channels_last)

    def forward(self, views: BeatViews, presence: Tensor) -> Tensor:
        batch = presence.shape[0]
        # The frontal plane is known only with all six limb leads: two of them give the others,
        # which are derived before the network sees them.
        known = presence[:, :LIMB_LEADS].amin(dim=1, keepdim=True)
        scales = views.limb_scales * known
        ratio = scales.exp() * known
        rescaled = functional.pad(
            views.average[:, :LIMB_LEADS] * ratio.unsqueeze(-1), (0, 0, 0, LEADS - LIMB_LEADS)
        )
        stacked = torch.stack([views.average, views.spread, rescaled], dim=-1)
        leads = self._encode(stacked, presence)
        count = presence.sum(dim=1).clamp(min=1.0)
        leads = leads * (LEADS / count).sqrt()[:, None, None, None]
        # (batch, leads, time, channels) -> channels-last image of height 1.
        x = leads.permute(0, 2, 1, 3).reshape(batch, 1, -1, LEADS * self.lead_channels)
        x = self.join(x.permute(0, 3, 1, 2))
        x = self.join_dropout(functional.silu(self.join_norm(x)))
        x = functional.silu(self.norm(self.blocks(self.convolution(x)))).squeeze(2)
        pooled = [(x * weights).sum(dim=-1) for weights in self.time_weights]
        facts = self.facts(torch.cat([views.rhythm, scales, presence], dim=1))
        return self.feature_norm(torch.cat([*pooled, x.amax(dim=-1), facts], dim=1))

    def _encode(self, stacked: Tensor, presence: Tensor) -> Tensor:
        """(batch, leads, positions, 3) -> (batch, leads, positions / 4, lead_channels)."""
        batch = presence.shape[0]
        if not self.training:
            encoded = self._encode_leads(stacked.reshape(batch * LEADS, POSITIONS, 3))
            encoded = encoded.reshape(batch, LEADS, -1, self.lead_channels)
            return encoded * presence[:, :, None, None]
        # In training only leads that are there are computed, and only they enter the
        # normalization's statistics.
        chosen = presence > 0
        encoded = self._encode_leads(stacked[chosen])
        result = encoded.new_zeros(batch, LEADS, *encoded.shape[1:])
        result[chosen] = encoded
        return result

    def _encode_leads(self, x: Tensor) -> Tensor:
        x = x.permute(0, 2, 1).unsqueeze(2)
        x = functional.silu(self.lead_stem(x))
        x = functional.silu(self.lead_norm(self.lead_convolution(x)))
        return x.squeeze(2).permute(0, 2, 1)


class _Block(nn.Module):
    """Residual block with the norm first (He et al. 2016b)."""

    def __init__(self, channels: int, kernel: int, dropout: float) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(channels)
        self.convolution1 = _convolution(channels, channels, kernel)
        self.norm2 = nn.BatchNorm2d(channels)
        self.dropout = nn.Dropout2d(dropout)
        self.convolution2 = _convolution(channels, channels, kernel)

    def forward(self, x: Tensor) -> Tensor:
        y = self.convolution1(functional.silu(self.norm1(x)))
        y = self.convolution2(self.dropout(functional.silu(self.norm2(y))))
        return x + y


def _convolution(inputs: int, outputs: int, width: int, *, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, (1, width), stride=(1, stride), padding=(0, width // 2))
