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


# --- limits and numbers ---------------------------------------------------------------------------


def located(x):
    position, valid = lead_subset.locate_beats(
        torch.from_numpy(np.asarray(x)).float()[None, None], torch.ones(1, 1)
    )
    assert position.shape == (1, 32)  # no more beats are read
    assert (valid[:, 1:] <= valid[:, :-1]).all()
    return position[valid > 0].numpy()


def train_at(samples, heights=None):
    """Equal Gaussian complexes at these samples, of these heights."""
    heights = np.ones(len(samples)) if heights is None else heights
    t = np.arange(SAMPLES)
    return sum(
        h * np.exp(-0.5 * ((t - s) / 3.0) ** 2) for s, h in zip(samples, heights, strict=True)
    )


def test_two_equal_complexes_within_45_samples_are_one():
    # The flat top of the smoothed energy is three samples wide: 44 are one beat, 48 are two.
    places = [250 * k + 125 for k in range(10)]
    for apart, found in ((44, 10), (48, 11)):
        beats = located(train_at(sorted([*places, places[4] + apart])))
        assert len(beats) == found
        assert np.abs(beats[:5] - places[:5]).max() <= 1


@pytest.mark.parametrize(("height", "found"), [(0.43, 9), (0.465, 10)])
def test_a_beat_has_a_fifth_of_the_usual_slope_energy(height, found):
    # Energy goes with the square: 0.447 is the limit.
    heights = np.ones(10)
    heights[4] = height
    assert len(located(train_at([250 * k + 125 for k in range(10)], heights))) == found


@pytest.mark.parametrize(("height", "found"), [(4.6, 10), (5.4, 1)])
def test_an_artefact_hides_the_beats_from_a_25th_of_its_energy_on(height, found):
    # The usual energy is the mean of the middle three of five pieces of 2 s, and at least a fifth
    # of the highest: the limit for beats of 1 is a fifth of that again, 1 / 25 of the square.
    heights = np.ones(10)
    heights[4] = height
    assert len(located(train_at([250 * k + 125 for k in range(10)], heights))) == found


def test_the_usual_energy_is_that_of_the_middle_pieces():
    # Pieces with heights 1, 1, 2, 2, 2: the middle three are 1, 4, 4 in energy, 3 on average, and
    # the limit is 0.6: 0.72 squared is 0.52, 0.82 squared 0.67.
    for height, found in ((0.72, 9), (0.82, 10)):
        heights = np.array([1, 1, 1, 1, 2, 2, 2, 2, 2, 2], float)
        heights[0] = height
        assert len(located(train_at([250 * k + 125 for k in range(10)], heights))) == found


def test_at_most_32_beats_are_read():
    assert len(located(train_at(range(40, 2480, 60)))) == 32


def test_of_two_equal_maxima_the_earlier_one_is_the_beat():
    # The energy of a symmetric complex has its maxima one sample before and after the middle.
    places = np.array([250 * k + 125 for k in range(10)])
    assert (located(train_at(places)) == places - 1).all()


def steps_at(places):
    """A step up at each place and slowly back: slope energy at two samples beside it."""
    x = np.zeros(SAMPLES)
    for place in places:
        x[place : place + 100] += np.linspace(1, 0, 100)
    return x


def test_energy_is_smoothed_by_a_triangle_of_33_samples():
    """Two steps 8 samples apart add up as far as the triangle 17, 16, ... 1 reaches.

    A step has its slope energy at two samples side by side: 17 + 16 = 33 at the most. Two steps
    have it at 0, 1, 8 and 9: 4 * 17 - 16 = 52 between them. So they are a beat beside steps of 1
    from sqrt(0.2 * 33 / 52) = 0.3563 of their height on. Averages over 13 or 25 samples would
    make that sqrt(0.2 * 25 / 36) = 0.3727 and sqrt(0.2 * 49 / 84) = 0.3416.
    """
    for height, found in ((0.364, 10), (0.349, 9)):
        places = [250 * k + 105 for k in range(10) if k != 4]
        x = steps_at(places) + height * (steps_at([1105]) + steps_at([1113]))
        assert len(located(x)) == found


def shape_of(*parts):
    """One window of (samples, value) constants, 0 elsewhere."""
    x = np.zeros(SAMPLES, np.float32)
    for samples, value in parts:
        x[samples] = value
    return torch.from_numpy(x)[None, None]


def averaged(x, *beats, **more):
    position = torch.tensor([list(beats)])
    return lead_subset.average_beats(x, position, torch.ones(1, len(beats)), **more)


def test_one_beat_is_the_samples_around_it():
    """100 samples before to 158 after, every second one.

    The first average has the weight 1 / 1.001; the second weighs the beat with sigmoid(4.5) + 0.001
    = 0.9900131, over that and 0.001: 0.9989909.
    """
    ramp = torch.arange(SAMPLES).float()[None, None] / 1000
    average, spread, _ = averaged(ramp, 1000)
    expected = np.arange(0.900, 1.160, 0.002)
    assert average.shape == (1, 1, 130)
    np.testing.assert_allclose(average[0, 0], 0.9989909 * expected, rtol=1e-5)
    # Deviation 0.0010091 of the value, under 1.001; not below 1e-3, the root of 1e-6.
    wanted = np.maximum(0.0010091 * expected / 1.001**0.5, 1e-3)
    np.testing.assert_allclose(spread[0, 0], wanted, rtol=1e-3)
    # A beat near the beginning has nothing before it.
    early, _, _ = averaged(ramp, 60)
    assert (early[0, 0, :20] == 0).all()
    np.testing.assert_allclose(early[0, 0, 20:22], [0.0, 0.002 * 0.9989909], atol=1e-6)
    moved, _, _ = averaged(ramp, 1000, shift=torch.tensor([2]))
    np.testing.assert_allclose(moved[0, 0, :-1], average[0, 0, 1:], rtol=1e-6)


def test_a_beat_that_is_the_opposite_hardly_counts():
    """Three equal beats and one upside down.

    Likeness 1 and -1: weights 0.9900131 and 0.001 (sigmoid(-25.5) is 0), so that
    (3 * 0.9900131 - 0.001) / (3 * 0.9900131 + 0.002) = 0.9989906 is left of the height.
    """
    x = shape_of(*[(s, 1.0) for s in (500, 1000, 1500)], (2000, -1.0))
    average, spread, rhythm = averaged(x, 500, 1000, 1500, 2000)
    assert float(average[0, 0, 50]) == pytest.approx(0.9989906, abs=2e-6)
    # Deviations 0.0010094 three times and -1.9989906: root of their mean square over 4.001.
    assert float(spread[0, 0, 50]) == pytest.approx(1.9989906 / 4.001**0.5, rel=1e-4)
    # Likeness 1, 1, 1 and -1: mean 0.5, deviation 0.8660254.
    assert rhythm[0, 4:].tolist() == pytest.approx([4 * 0.5 - 3.5, 4 * 0.8660254], rel=1e-3)


def test_a_beat_that_is_somewhat_like_the_others_counts_by_its_likeness():
    """Nine beats A = (1, 0) and one B = (0.7, 0.7141428) at two samples.

    First average along (9.7, 0.7141428), length 9.7262528: likeness 0.9973008 and 0.7505460,
    weights sigmoid(15 (l - 0.7)) + 0.001: 0.9895643 and 0.6819605. Second sample:
    0.7141428 * 0.6819605 / (9 * 0.9895643 + 0.6819605 + 0.001).
    """
    places = [200 + 230 * k for k in range(10)]
    x = shape_of(*[(p, 1.0) for p in places[:9]], (places[9], 0.7), (places[9] + 20, 0.7141428))
    average, _, _ = averaged(x, *places)
    assert float(average[0, 0, 60]) == pytest.approx(0.0507889, abs=5e-6)
    assert float(average[0, 0, 50]) == pytest.approx(
        (9 * 0.9895643 + 0.7 * 0.6819605) / 9.589039, abs=1e-5
    )
    # One that is left out has no part in the averages.
    kept = torch.ones(1, 10)
    kept[0, 9] = 0
    without, _, _ = averaged(x, *places, kept=kept)
    assert float(without[0, 0, 60]) == 0.0


def test_figures_of_the_rhythm():
    """Beats after 0.8, 0.8, 1.2 and 0.8 s, all alike.

    Count 5 / 12 - 1; mean 0.9 - 0.85; deviation 0.1732051 * 4; changes 0, 0.4 and 0.4, mean
    0.2666667 * 4; likeness 1 * 4 - 3.5, its deviation the least, 1e-3 * 4.
    """
    places = [300, 500, 700, 1000, 1200]
    _, _, rhythm = averaged(shape_of(*[(p, 1.0) for p in places]), *places)
    expected = [-0.5833333, 0.05, 0.6928203, 1.0666667, 0.5, 0.004]
    assert rhythm[0].tolist() == pytest.approx(expected, abs=1e-4)
    # A single beat has no interval.
    _, _, rhythm = averaged(shape_of((700, 1.0)), 700)
    assert rhythm[0].tolist() == pytest.approx(
        [-0.9166667, -0.85, 0.004, 0.0, 0.5, 0.004], abs=1e-4
    )


@pytest.mark.parametrize(
    ("one", "two", "first", "second"),
    [
        # s_I / s_III and s_II / s_III of two waves; beyond 20 and 0.05 they are clipped.
        ((3.0, 0.0), (0.0, 4.0), 0.6, 0.8),
        ((30.0, 0.0), (30.0, 1.0), 20.0, 20.0),
        ((1.0, 0.0), (0.0, 30.0), 0.05, 0.99945),
    ],
)
def test_limb_scales_within_a_factor_of_twenty(one, two, first, second):
    angle = 2 * np.pi * np.arange(1000) / 100
    waves = 2**0.5 * np.stack([np.sin(angle), np.cos(angle)])
    leads = [np.array(one) @ waves, np.array(two) @ waves]
    leads.append(leads[1] - leads[0])
    signal = torch.from_numpy(np.stack([x / x.std() for x in leads])).float()[None]
    found = lead_subset.limb_scales(signal)[0].double().numpy()
    # Powers of I, II, III, aVR, aVL and aVF, of which the clipped I and II are made.
    a, b = first * leads[0] / leads[0].std(), second * leads[1] / leads[1].std()
    power = np.array([np.mean(x**2) for x in (a, b, b - a, (a + b) / 2, a - b / 2, b - a / 2)])
    expected = 0.5 * np.log(np.maximum(power, 1e-6) / power.mean())
    np.testing.assert_allclose(found, expected, atol=5e-3)
    assert np.mean(np.exp(2 * found)) == pytest.approx(1.0, abs=1e-3)


def test_sizes_and_settings():
    # As the card of ptbxl-superclass-12lead says: a committee of four.
    assert sum(p.numel() for p in LeadSubsetNet(members=4).parameters()) == 766_981
    network = LeadSubsetNet()
    assert network.config == {
        "classes": 5, "members": 1, "lead_channels": 32, "channels": 96, "kernel": 5, "blocks": 1,
        "time_maps": 2, "dropout": 0.3, "channel_dropout": 0.1,
    }  # fmt: skip
    assert network.features == 3 * 96 + 32
    drops = [(type(m).__name__, m.p) for m in network.modules() if hasattr(m, "p")]
    assert drops == [("Dropout2d", 0.1), ("Dropout2d", 0.1), ("Dropout", 0.3)]
    assert (lead_subset.BEFORE, lead_subset.AFTER, lead_subset.STEP) == (100, 160, 2)
    assert network.members[0].time_weights.shape == (2, 96, 33)


@torch.no_grad()
def test_a_lead_alone_is_raised_by_the_root_of_twelve(network, signal):
    """The sum over leads is divided by the root of the share that is there."""
    presence = torch.ones(4, 12)
    presence[:, 1:] = 0
    member = network.members[0]
    seen = []
    hook = member.join.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    network(signal)
    network(signal, presence)
    hook.remove()
    whole, alone = (x.permute(0, 2, 3, 1).reshape(4, -1, 12, 8) for x in seen)
    assert (alone[:, :, 1:] == 0).all()
    views = network.beat_views(signal * presence[..., None], presence)
    stacked = torch.stack([views.average, views.spread, torch.zeros_like(views.average)], dim=-1)
    encoded = member._encode(stacked, presence)[:, 0]
    np.testing.assert_allclose(alone[:, :, 0], 12**0.5 * encoded, rtol=1e-4, atol=1e-5)
    assert whole.shape[1] == 33
