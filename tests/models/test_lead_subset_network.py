"""LeadSubsetNet: beats, frontal plane, lead subsets, export."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from ecgfoundry.leads import LIMB_LEADS, complete_limb_leads  # noqa: E402
from ecgfoundry.models.networks import lead_subset  # noqa: E402
from ecgfoundry.models.networks.lead_subset import LeadSubsetNet  # noqa: E402

RATE, SAMPLES = 250, 2500


def beat_train(times, *, width_s=0.012, t_wave=0.25):
    """QRS complexes (Gaussian) with a T wave 0.3 s later, (samples,)."""
    t = np.arange(SAMPLES) / RATE
    x = np.zeros(SAMPLES)
    for beat in times:
        x += np.exp(-0.5 * ((t - beat) / width_s) ** 2)
        x += t_wave * np.exp(-0.5 * ((t - beat - 0.3) / 0.05) ** 2)
    return x


def windows(count=4, seed=0):
    """Standardized 12-lead windows: limb leads that obey lead algebra, chest leads of their own."""
    generator = np.random.default_rng(seed)
    result = np.zeros((count, 12, SAMPLES), np.float32)
    for row in range(count):
        times = np.arange(0.4, 9.6, 60 / generator.uniform(50, 110))
        shape = beat_train(times)
        other = beat_train(times + 0.02, t_wave=generator.uniform(-0.3, 0.5))
        mix = generator.uniform(0.2, 1.5, (8, 2))
        leads = mix @ np.stack([shape, other])
        leads += 0.02 * generator.standard_normal(leads.shape)
        limb = {"I": leads[0], "II": leads[1]}
        limb |= complete_limb_leads(limb)
        stacked = np.concatenate([[limb[lead] for lead in LIMB_LEADS], leads[2:]])
        stacked -= stacked.mean(axis=1, keepdims=True)
        result[row] = stacked / stacked.std(axis=1, keepdims=True)
    return torch.from_numpy(result)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return LeadSubsetNet(members=2, lead_channels=8, channels=16).eval()


@pytest.fixture(scope="module")
def signal():
    return windows()


@pytest.mark.parametrize("rate", [42, 75, 128, 180])
@pytest.mark.parametrize("sign", [1, -1])
def test_beats_are_found_where_they_are(rate, sign):
    times = np.arange(0.5, 9.8, 60 / rate)
    x = sign * beat_train(times) + 0.01 * np.random.default_rng(0).standard_normal(SAMPLES)
    x = torch.from_numpy((x - x.mean()) / x.std()).float()[None, None]
    position, valid = lead_subset.locate_beats(x, torch.ones(1, 1))
    found = position[valid > 0].numpy() / RATE
    assert len(found) == len(times)
    np.testing.assert_allclose(found, times, atol=0.012)


@pytest.mark.parametrize("length_s", [4.0, 5.0, 7.0])
def test_beats_of_a_padded_recording(length_s):
    times = np.arange(0.5, length_s - 0.4, 0.8)
    x = beat_train(times)[: int(length_s * RATE)]
    # Without an offset to the padding: the band-pass leaves none.
    x = np.pad(x / x.std(), (0, SAMPLES - len(x)))
    position, valid = lead_subset.locate_beats(
        torch.from_numpy(x).float()[None, None], torch.ones(1, 1)
    )
    np.testing.assert_allclose(position[valid > 0].numpy() / RATE, times, atol=0.012)


def test_average_is_the_beat_and_ectopic_beats_hardly_count():
    times = np.arange(0.5, 9.4, 0.9)
    pure = torch.from_numpy(beat_train(times)).float()
    ectopic = pure.clone()
    wide = torch.from_numpy(beat_train([times[4]], width_s=0.06)).float()
    ectopic[int((times[4] - 0.25) * RATE) : int((times[4] + 0.25) * RATE)] = 0
    ectopic -= 2 * wide
    averages = []
    for x in (pure, ectopic):
        x = x[None, None]
        average, spread, rhythm = lead_subset.average_beats(
            x, *lead_subset.locate_beats(x, torch.ones(1, 1))
        )
        averages.append(average[0, 0])
    centre = lead_subset.BEFORE // lead_subset.STEP
    near = slice(centre - 10, centre + 50)
    first, last = 500 - lead_subset.BEFORE, 500 + lead_subset.AFTER
    # The middle of a complex is found to a few milliseconds: try one sample to either side.
    candidates = [beat_train([2.0])[first + k : last + k : lead_subset.STEP] for k in (-1, 0, 1)]
    for average, tolerance in zip(averages, (0.02, 0.08), strict=True):
        errors = [np.abs(average.numpy() - x)[near].max() for x in candidates]
        assert min(errors) < tolerance
    assert spread.max() > 0.3
    assert rhythm[0, 1] == pytest.approx(0.9 - 0.85, abs=0.05)


def test_limb_scales_come_back():
    generator = np.random.default_rng(2)
    raw = {
        "I": 0.3 * generator.standard_normal((5, SAMPLES)),
        "II": 1.2 * generator.standard_normal((5, SAMPLES)),
    }
    raw["II"] += raw["I"]
    raw |= complete_limb_leads(raw)
    stacked = np.stack([raw[lead] for lead in LIMB_LEADS], axis=1)
    stacked -= stacked.mean(axis=-1, keepdims=True)
    deviation = stacked.std(axis=-1)
    standardized = torch.from_numpy(stacked / deviation[..., None]).float()
    expected = np.log(deviation / np.sqrt((deviation**2).mean(axis=1, keepdims=True)))
    np.testing.assert_allclose(lead_subset.limb_scales(standardized), expected, atol=1e-3)


@torch.no_grad()
def test_absent_leads_cannot_influence_anything(network, signal):
    presence = torch.ones(4, 12)
    presence[0, 1:] = 0
    presence[1, 6:] = 0
    presence[2, [1, 3, 4, 5, 9]] = 0
    clean = network(signal * presence[..., None], presence)
    for garbage in (1e4, float("nan"), float("inf")):
        dirty = torch.where(presence[..., None] > 0, signal, torch.full_like(signal, garbage))
        assert torch.equal(network(dirty, presence), clean)


@torch.no_grad()
def test_presence_matters_and_none_means_all(network, signal):
    full = network(signal)
    assert torch.equal(network(signal, torch.ones(4, 12)), full)
    # A lead that is absent is not the same as a lead that is flat.
    presence = torch.ones(4, 12)
    presence[:, 7] = 0
    flat = signal * presence[..., None]
    assert not torch.allclose(network(flat, presence), network(flat), atol=1e-4)


@torch.no_grad()
def test_rows_of_a_batch_do_not_meet(network, signal):
    presence = (torch.rand(4, 12, generator=torch.Generator().manual_seed(1)) < 0.6).float()
    presence[:, 0] = 1
    order = torch.tensor([2, 0, 3, 1])
    together = network(signal, presence)
    assert torch.allclose(network(signal[order], presence[order]), together[order], atol=1e-5)
    for row in range(4):
        alone = network(signal[row : row + 1], presence[row : row + 1])
        assert torch.allclose(alone[0], together[row], atol=1e-5)


@torch.no_grad()
def test_flat_and_beatless_windows_give_finite_logits(network):
    nothing = torch.zeros(2, 12, SAMPLES)
    assert torch.isfinite(network(nothing)).all()
    assert torch.isfinite(network(nothing, torch.zeros(2, 12))).all()


def test_training_computes_what_evaluation_computes(network, signal):
    """Encoding only the present leads in training is a saving, not another network."""
    presence = torch.ones(4, 12)
    presence[:2, 6:] = 0
    presence[2, 1:] = 0
    with torch.no_grad():
        expected = network(signal, presence)
        try:
            for member in network.members:
                member.training = True  # its layers stay in evaluation mode
            trained = network(signal, presence)
        finally:
            network.eval()
    assert torch.allclose(trained, expected, atol=1e-5)


def test_gradient_reaches_every_parameter(signal):
    network = LeadSubsetNet(members=1, lead_channels=8, channels=16)
    network(signal).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())


@torch.no_grad()
def test_a_committee_is_the_mean_of_its_members(signal):
    torch.manual_seed(3)
    networks = [LeadSubsetNet(3, lead_channels=8, channels=16).eval() for _ in range(3)]
    joined = LeadSubsetNet.committee(networks)
    assert joined.config["members"] == 3
    mean = torch.stack([network(signal) for network in networks]).mean(dim=0)
    assert torch.allclose(joined(signal), mean, atol=1e-5)
    assert joined.forward_features(signal).shape == (4, joined.features)
    joined.reset_classifier(7)
    assert joined(signal).shape == (4, 7)
    assert LeadSubsetNet(**joined.config).classifier.out_features == 7


def test_onnx_runtime_agrees(network, signal, tmp_path):
    pytest.importorskip("onnx")
    from ecgfoundry.models.onnx_export import export_onnx, round_to_float16, verify_onnx

    network = round_to_float16(network)
    path = export_onnx(
        network,
        leads=12,
        samples=SAMPLES,
        takes_presence=True,
        path=tmp_path / "model.onnx",
        float16_weights=True,
    )
    presence = torch.ones(4, 12)
    presence[0, 1:] = 0
    presence[1, 6:] = 0
    presence[2, :6] = 0
    assert verify_onnx(network, path, signal * presence[..., None], presence) <= 1e-4
